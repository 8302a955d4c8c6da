"""Lessons: each runs, small in this process (a failure names lesson and cell) and in full as a notebook.

Notebooks and pages are valid and open offline.
"""

import json
import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("jupytext")

from glassformer import lessons as support
from glassformer.errors import GlassError
from glassformer.lessons import notebook as notebooks
from glassformer.lessons.page import write_contents, write_page
from glassformer.lessons.sources import FOLDER, Lesson, lesson, lessons

from ..page import Page

ALL = lessons()
names = pytest.mark.parametrize("each", ALL, ids=lambda each: each.path.stem)


@names
def test_a_lesson_runs_small_in_this_process(each):
    notebooks.run_here(each)


@pytest.mark.slow
@pytest.mark.timeout(400)
@names
def test_a_lesson_runs_in_full_as_a_notebook(each):
    pytest.importorskip("nbclient")
    made = notebooks.run(each)
    assert [cell for cell in made.cells if cell.cell_type == "code" and cell.outputs]


@names
def test_a_lesson_has_the_form_of_a_lesson(each):
    """It asks before it shows, draws, puts something into the real model, and ends with three experiments and the code."""
    text = each.path.read_text(encoding="utf-8")
    assert text.count("predict(") == text.count(".was(") >= 2 and "picture(" in text
    assert f"# # {each.number} · " in text and "glass lessons open" in text
    for part in ("Break it", "Build it", "Put it into the real model"):
        assert f"# ## {part}" in text, part
    experiments, _, code = text.partition("# ## Three experiments\n")[2].partition("# ## Where the real code is\n")
    assert len(re.findall(r"^# \d\. ", experiments, re.M)) == 3
    files = re.findall(r"\]\(\.\./([^)#]+)\)", text)
    assert "](../glassformer/" in code and not [name for name in files if not (FOLDER.parent / name).exists()]


@names
def test_a_hole_is_left_to_the_reader_and_filled_only_where_it_was_left(each):
    code = [cell for cell in notebooks.notebook(each).cells if cell.cell_type == "code"]
    for hole, filled in zip(code, code[1:]):
        if "solution" in filled.metadata.get("tags", []):
            (name,) = re.findall(r"^def (\w+)", hole.source, re.M)
            assert hole.source.endswith("    return ...") and f"is ...:\n    {name} = one_that_works" in filled.source
    assert each.number > "03" or any("solution" in cell.metadata.get("tags", []) for cell in code)


@names
def test_a_lesson_imports_the_package_and_copies_no_class_of_it(each):
    source = "\n".join(path.read_text(encoding="utf-8") for path in (FOLDER.parent / "glassformer").rglob("*.py"))
    classes = re.findall(r"^class (\w+)", each.path.read_text(encoding="utf-8"), re.M)
    assert not [name for name in classes if re.search(rf"^class {name}\b", source, re.M) and name != "Config"]


def test_lessons_are_found_by_number_and_name():
    assert lesson("1") == lesson("01") == lesson("01_tokenizer") == lesson("lessons/01_tokenizer.py")
    with pytest.raises(GlassError, match="there is no lesson 77"):
        lesson("77")
    assert [each.number for each in ALL] == sorted({each.number for each in ALL})


@pytest.fixture
def failing(tmp_path) -> Lesson:
    path = tmp_path / "99_wrong.py"
    path.write_text("# %% [markdown]\n# # 99 · Wrong\n#\n# It fails.\n\n# %%\na = 1\n\n# %%\nb = 2\n1 / 0\n")
    return Lesson(path, "Wrong", "It fails.")


def test_a_failure_names_lesson_and_cell(failing):
    with pytest.raises(ZeroDivisionError) as caught:
        notebooks.run_here(failing)
    assert caught.value.__notes__ == ["in 99_wrong.py, cell 2, which begins at line 10"]
    assert caught.traceback[-1].lineno + 1 == 11


@pytest.mark.slow
def test_a_notebook_that_fails_names_lesson_and_cell(failing):
    pytest.importorskip("nbclient")
    with pytest.raises(GlassError, match=r"99_wrong\.py fails in cell 2: ZeroDivisionError"):
        notebooks.run(failing)


@names
def test_a_notebook_is_valid_and_always_the_same(each, tmp_path):
    import nbformat

    first, second = (notebooks.write(notebooks.notebook(each), tmp_path / name).read_bytes() for name in "ab")
    assert first == second
    made = json.loads(first)
    nbformat.validate(made, version=4)
    assert any(cell["metadata"].get("jupyter", {}).get("source_hidden") for cell in made["cells"])
    assert made["cells"][0]["cell_type"] == "markdown"


@names
def test_a_page_opens_offline(each, tmp_path):
    made = notebooks.notebook(each)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs = [OUTPUT]
    path = write_page(each, made, tmp_path / f"{each.path.stem}.html", ALL)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert each.title in page.text and "details" in page.tags
    assert not [link for link in page.links if link.startswith(("http", "//"))]
    assert not re.search(r"@import|url\(|<script src|<link[^>]+stylesheet", text)


OUTPUT = {"output_type": "display_data", "metadata": {}, "data": {"text/markdown": "It is **7**.", "text/plain": "x"}}


def test_what_answers_a_question_is_folded(tmp_path):
    path = tmp_path / "98_asks.py"
    path.write_text(
        "# %% [markdown]\n# # 98 · Asks\n#\n# It asks.\n\n# %%\nguess = predict('how many?')\n\n"
        '# %% [markdown]\n# Wait.\n\n# %%\nshown = 7\n\n# %% tags=["prose"]\nguess.was(shown)\n\n'
        '# %% [markdown]\n# More.\n#\n# ## Next\n\n'
        '# %%\nafter = 1\n\n# %% tags=["solution"]\nmine = 2\n'
    )
    asks = Lesson(path, "Asks", "It asks.")
    made = notebooks.notebook(asks)
    code = [cell for cell in made.cells if cell.cell_type == "code"]
    for cell, said in zip(code, ("How?", "Seven", "So 7", "After", "")):
        cell.outputs = [{**OUTPUT, "data": {"text/markdown": said}}] if said else []
    assert [cell.metadata.get("jupyter") is not None for cell in code] == [False, False, True, False, True]
    code[3].outputs += [{"output_type": "stream", "name": "stdout", "text": f"{line}\n"} for line in ("one", "two")]
    text = write_page(asks, made, tmp_path / "98.html", [asks]).read_text(encoding="utf-8")
    assert "one\ntwo</pre>" in text, "what a cell prints is one piece"
    folded = re.findall(r"<details.*?</details>", text, re.S)
    hidden = "".join(folded)
    assert len(folded) == 2 and all(said in hidden for said in ("Seven", "So 7", "mine"))
    assert not [said for said in ("How?", "Wait", "More", "Next", "After") if said in hidden]
    assert "shown" in text and "was(" not in text, "the code of prose is left out"
    contents = write_contents(tmp_path / "index.html", [asks]).read_text(encoding="utf-8")
    assert "98 · Asks" in Page(contents).text


@pytest.mark.parametrize(
    ("typed", "choices", "answer"),
    [
        (["b"], ["one", "two"], "two"), (["x", "(A)"], ["one", "two"], "one"), (["many", "1,500"], [], 1500.0),
        (["40 %"], [], 40.0),
    ],
)
def test_the_reader_answers(monkeypatch, capsys, typed, choices, answer):
    answers = iter(typed)
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    guess = support.predict("Which?", choices)
    assert guess.answer == answer
    guess.was(answer)
    assert "that is right" in capsys.readouterr().out


def test_nobody_needs_to_answer(monkeypatch, capsys):
    def nobody(prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    guess = support.predict("How many?")
    guess.was(1234, "Because.")
    assert guess.answer is None and "The answer is **1,234**. Because." in capsys.readouterr().out
    with support.fast():
        monkeypatch.delattr("builtins.input")
        assert support.predict("How many?").answer is None and support.sized(9, 3) == 3
    assert support.sized(9, 3) == 9


def test_an_answer_that_is_wrong_is_shown_beside_the_truth(capsys):
    support.Guess(5.0).was(7)
    support.Guess("red").was("blue")
    out = capsys.readouterr().out
    assert "You said **5**. It is **7**." in out and "You said **red**. It is **blue**." in out


def test_the_page_of_the_documentation_lists_every_lesson():
    text = (FOLDER.parent / "docs/lessons.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d\d) · (.+?)\]\(\.\./lessons/(.+?)\)", text, re.M)
    assert sorted(listed) == [(each.number, each.title, each.path.name) for each in ALL]


def test_the_list_names_every_lesson(glass):
    code, out, _ = glass("lessons", "list")
    assert code == 0 and all(each.title in out and each.number in out for each in ALL)
    assert "*" not in out and "`" not in out, "raw Markdown"
    listed = out.partition("Next:")[0].splitlines()
    assert all(re.match(r"\d\d  |    \S", line) for line in listed), "a line that goes on is indented too"


@pytest.mark.parametrize("words", [("open", "77"), ("build", "77")])
def test_an_unknown_lesson_is_one_sentence(glass, words):
    code, _, err = glass("lessons", *words)
    assert code == 2 and "there is no lesson 77" in err and len(err.strip().splitlines()) == 1


def test_without_the_extra_the_command_says_what_to_install(glass, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    code, _, err = glass("lessons", "open", "01")
    assert code == 2 and "glass lessons open needs jupyterlab" in err and "install" in err


def test_a_notebook_with_changes_is_kept(glass, monkeypatch, tmp_path):
    pytest.importorskip("jupyterlab")
    called = []
    monkeypatch.setattr("subprocess.run", lambda words, **kwargs: called.append((words, kwargs["env"])) or Done())
    assert glass("lessons", "open", "01")[0] == 0
    path = tmp_path / "notebooks/01_tokenizer.ipynb"
    path.write_text("mine")
    assert "as you left it" in glass("lessons", "open", "1")[1] and path.read_text() == "mine"
    glass("lessons", "open", "1", "--fresh")
    assert path.read_text() == "mine" and json.loads(path.with_stem("01_tokenizer-2").read_text())["nbformat"] == 4
    assert all("NeverCheckForUpdate" in " ".join(words) for words, _ in called)
    overrides = Path(called[0][1]["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0], "labconfig/default_setting_overrides.json")
    settings = json.loads(overrides.read_text(encoding="utf-8"))
    assert settings["@jupyterlab/apputils-extension:notification"] == {"fetchNews": "false", "checkForUpdates": False}


class Done:
    returncode = 0


def test_an_installed_package_says_where_the_lessons_are(glass, monkeypatch, tmp_path):
    monkeypatch.setattr("glassformer.lessons.sources.FOLDER", tmp_path / "none")
    code, _, err = glass("lessons", "list")
    assert code == 2 and "clone the repository" in err
