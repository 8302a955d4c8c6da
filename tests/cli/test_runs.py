"""Runs, checkpoints, imports and plans as a person meets them on the command line."""

import json
import shutil

import pytest

from glassformer.lab.plan import plan, scaling
from glassformer.lab.plan.hardware import named
from glassformer.lens.tokens import find
from glassformer.recipes.presets import gpt2, mini
from glassformer.recipes.presets import named as named_recipe
from glassformer.recipes.words import recipe_of, recipe_or_run

TINY = [
    "tokenizer=byte", "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "model.context_length=16", "train.steps=4",
    "train.micro_batch_size=2", "train.precision=fp32", "train.eval_tokens=64", "train.checkpoint_every=2",
    "train.sample_every=0", "train.keep_checkpoints=9", "sample.max_new_tokens=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with my_book.txt and a finished run of it."""
    import sys

    from glassformer import cli

    folder = tmp_path_factory.mktemp("trained")
    (folder / "my_book.txt").write_text("".join(f"The {i}th goat sat on wall {i * i}. " for i in range(60)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["glass", "train", "my_book.txt", *TINY])
        try:
            cli.main()
        except SystemExit as end:
            assert not end.code
    return folder


@pytest.fixture
def desk(trained, tmp_path):
    """A copy to work in; `glass` runs there."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


# what a person has named in place of a run


@pytest.mark.parametrize("verb", ["generate", "resume", "eval", "report", "trust"])
def test_fault_34_a_text_a_dataset_and_nothing_in_place_of_a_run_say_what_to_do(desk, glass, verb):
    dataset = next((desk / "data").iterdir()).relative_to(desk)
    for word, sentence in (
        ("my_book.txt", "is a file and no run: `"), (dataset, "is a dataset and no run: `"),
        ("runs/nothing", "does not exist: give the folder of a run, there is runs/my_book"),
    ):  # fmt: skip
        code, _, err = glass(verb, word)
        assert code == 2 and f"{word} {sentence}" in " ".join(err.split()) and "Traceback" not in err, err
        assert ("train" in err) and err.count("\n") <= 2


def test_fault_34_resume_takes_a_checkpoint_and_reports_the_run(desk, glass):
    code, out, _ = glass("resume", "runs/my_book/checkpoints/00000002")
    assert code == 0 and "continuing runs/my_book from step 2 of 4" in out and "runs/my_book/report.html" in out


@pytest.mark.parametrize("verb", ["generate", "resume", "eval", "report", "data check", "plan", "settings", "runs"])
def test_fault_36_a_run_json_without_facts_shows_no_traceback(desk, glass, verb):
    (desk / "runs/my_book/run.json").write_text("{}")
    code, out, err = glass(*verb.split(), *([] if verb == "runs" else ["runs/my_book"]))
    assert "Traceback" not in err + out and code in (0, 2)
    if verb in ("resume", "eval", "data check"):
        assert code == 2 and "run.json does not say dataset" in err


# plans


def test_fault_34_a_text_is_planned_as_train_would_train_it(desk, glass):
    code, out, _ = glass("plan", "my_book.txt", *TINY, "--json", "--hardware", "h100")
    planned = json.loads(out)
    assert code == 0 and planned["recipe"]["corpus"]["path"] == "my_book.txt" and planned["data"]["exact"]
    given = recipe_of("mini", "my_book.txt", TINY).model_dump(mode="json")["train"]
    cosine = {"name": "cosine", "warmup_steps": None, "min_lr_ratio": 0.05}
    chosen = {"eval_every": 1 / 25, "sampler": {"name": "windows"}, "schedule": cosine, "learning_rate": 0.006}
    assert planned["recipe"]["train"] == given | chosen
    (desk / "notes").mkdir()
    (desk / "notes/a.txt").write_text("A goat sat on a wall. " * 500)
    assert recipe_or_run("notes", [], "gpt2").corpus.path == "notes"  # type: ignore[attr-defined]
    assert recipe_or_run("notes", [], "gpt2").model.n_layer == 12
    assert recipe_or_run("runs/my_book", []).model.n_layer == 1
    assert recipe_or_run("runs/my_book/checkpoints/00000002", []).model.n_layer == 1
    assert recipe_or_run("village=0.7,./notes=0.3", []).corpus.name == "mixture"
    for word, sentence in (("runs/none", "runs/none does not exist"), ("minni", "did you mean 'mini'")):
        code, _, err = glass("plan", word)
        assert code == 2 and sentence in err


def test_a_source_that_is_the_recipe_s_own_corpus_keeps_its_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert recipe_of("village_mini", "village", []).corpus == named_recipe("village_mini").corpus
    assert recipe_of("village_mini", "village", ["corpus.megabytes=3"]).corpus.megabytes == 3  # type: ignore[attr-defined]
    assert recipe_of("python", "village", []).corpus.name == "village"
    (tmp_path / "village.txt").write_text("One.")
    assert recipe_of("village_mini", "village.txt", []).corpus.name == "files"


def test_fault_35_a_text_that_is_read_too_often_is_warned_of(desk, glass):
    found = plan(gpt2().override("corpus=files", "corpus.path=my_book.txt"), named("h100"))
    assert found.data.readings and found.data.readings > 1e6
    (warning,) = found.warnings
    assert "times. After 4 readings the model learns the text by heart: give more text" in warning
    steps = int(warning.rpartition("train.steps=")[2].rstrip(")."))
    again = plan(found.recipe.override(f"train.steps={max(2, steps)}"), named("h100"))
    assert again.data.readings and (steps == 1 or not again.warnings)
    assert plan(mini(), named("h100")).warnings == []
    assert "e+" not in warning and any(c == "," for c in warning)


def test_fault_35_the_law_says_nothing_where_it_reaches_a_uniform_guess():
    assert plan(mini(), named("h100")).loss is None
    for parameters in (2e6, 2e7, 1.2e8, 1e10):
        for tokens in (1e5, 1e7, 1e9, 1e12):
            band = scaling.band(parameters, tokens)
            assert band is None or band.low < band.high < 10.37  # ln 32,000
    assert scaling.band(1.24e8, 2.5e9) is not None


def test_a_text_of_no_tokens_is_planned(desk):
    (desk / "empty.txt").touch()
    assert plan(mini().override("corpus=files", f"corpus.path={desk / 'empty.txt'}"), named("h100")).data.readings is None


# paths and sentences

PATHS = ["missing.txt", "missing.JSONL", "./missing", "../missing", "~/missing", "there/missing", "my texts/no page"]
WORDS = [
    "either/or", "and/or, he said", "hello", "I read notes.txt", "3/4", "/", "w/o", "He wrote a.txt and b.txt", "a\n./b",
    "", "etc.", "U.S.A.", "there", "?", "https://example.org/a", "km/h",
]  # fmt: skip


def test_fault_34_a_path_that_is_not_there_is_no_text_and_a_sentence_is_no_path(tmp_path, monkeypatch, glass):
    (tmp_path / "there").mkdir()
    (tmp_path / "my texts").mkdir()
    monkeypatch.chdir(tmp_path)
    assert [text for text in PATHS if not find.is_path(text)] == []
    assert [text for text in WORDS if find.is_path(text)] == []
    code, _, err = glass("tokenize", "missing.txt", "-t", "byte")
    assert code == 2 and "missing.txt does not exist" in err
    code, _, err = glass("tokenize", "./there", "-t", "byte")
    assert code == 2 and "./there is a folder: name one of its files" in err
    code, out, _ = glass("tokenize", "either/or", "-t", "byte")
    assert code == 0 and "9 tokens for 9 bytes" in out


# a name that is taken


def test_fault_32_a_name_under_which_a_run_is_made_is_taken(desk, glass):
    import threading

    from glassformer.runs.run import new_run
    from glassformer.system.lock import Busy

    names, said = [], []

    def choose(name):
        try:
            with new_run(name, "my_book") as folder:
                names.append(folder.as_posix())
        except Busy as error:
            said.append(str(error))

    with new_run(None, "my_book") as first, new_run("x", "") as second:
        threads = [threading.Thread(target=choose, args=(name,)) for name in (None, "x")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (first.as_posix(), second.as_posix(), names) == ("runs/my_book-2", "runs/x", ["runs/my_book-3"])
    assert len(said) == 1 and said[0].startswith("runs/x is being written by process ")
    assert sorted(path.name for path in (desk / "runs").iterdir()) == ["my_book"]
