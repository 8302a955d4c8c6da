"""Commands that we print can be typed where the reader stands."""

import ast
import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import typer

from glassformer.cli import app
from glassformer.system import command
from glassformer.system.command import on_a_page, typed

ROOT = Path(__file__).parents[2]
VERBS = "|".join(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_a_command_can_be_typed_in_the_clones_folder_and_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert typed("resume", Path("runs/demo")) == "./glass resume runs/demo"
    monkeypatch.chdir(tmp_path)
    program = shlex.split(typed("plan"))[0]
    assert Path(program).samefile(ROOT / "glass")


def test_a_name_with_a_space_is_one_word():
    words = ["generate", "runs/my first book", "it's late"]
    assert shlex.split(typed(*words))[1:] == words


def test_windows_and_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command, "WINDOWS", True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["glass", "plan"])
        patch.setattr(command, "LAUNCHER", tmp_path / "glass")  # there is no such file
        assert typed("plan") == "glass plan"
    monkeypatch.setattr(command, "LAUNCHER", ROOT / "glass")
    assert typed("generate", "runs/my book") == 'python glass generate "runs/my book"'


def test_fault_23_what_an_installed_package_says_is_what_was_typed(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "LAUNCHER", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["/somewhere/glassformer/__main__.py", "plan"])
    assert typed("plan") == "python3 -m glassformer plan"
    program = tmp_path / "my env" / "glass"
    program.parent.mkdir()
    program.touch()
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program), "plan"])
    assert shlex.split(typed("plan")) == [str(program), "plan"]
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    assert typed("plan") == "glass plan"


@pytest.mark.skipif(os.name == "nt", reason="the bit for programs")
def test_a_launcher_that_may_not_be_run_is_run_by_python(monkeypatch, tmp_path):
    launcher = tmp_path / "glass"
    launcher.touch()
    launcher.chmod(0o644)
    monkeypatch.setattr(command, "LAUNCHER", launcher)
    monkeypatch.chdir(tmp_path)
    assert typed("plan") == "python3 glass plan"


def bare_commands(source: str) -> list[str]:
    """Strings of a Python file, docstrings excepted, that name a command as `glass VERB`: only an installed package has
    a program of that name. `./glass` in a help text is replaced when the help is shown."""
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in told]
    return [s for s in strings if isinstance(s, str) and re.search(rf"(?<!\./)\bglass ({VERBS})\b", s)]


def test_fault_23_no_error_and_no_page_names_a_bare_glass():
    package = ROOT / "glassformer"
    found = {str(path): bare_commands(path.read_text(encoding="utf-8")) for path in package.rglob("*.py")}
    assert not {path: strings for path, strings in found.items() if strings}
    pages = {path: path.read_text(encoding="utf-8") for path in package.rglob("*.html")}
    assert not [path for path, text in pages.items() if re.search(rf"\bglass ({VERBS})\b", text)]
    assert bare_commands("f('run `glass resume {x}`')") and not bare_commands('"`glass plan` plans"')


def test_fault_23_help_names_the_program_as_this_reader_can_type_it(glass):
    code, out, _ = glass("train", "--help")  # in another folder than the clone's
    shown = re.sub(r"\s|│", "", out)
    assert code == 0 and re.sub(r"\s", "", typed("train", "my_book.txt")) in shown and "./glass" not in shown


@pytest.mark.parametrize(
    "words",
    [["train", "village", "train.steps=many"], ["plan", "runs/none"], ["generate", "runs/none"], ["compare"],
     ["data", "check", "nowhere"], ["tokenize"]],
)  # fmt: skip
def test_fault_23_errors_name_commands_that_work(glass, words):
    code, _, err = glass(*words)
    assert code == 2 and not re.search(rf"(?<![/.\w])glass ({VERBS})\b", err)


def test_a_page_does_not_say_where_this_clone_lies(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert on_a_page("train", "my book.txt") == "./glass train 'my book.txt'"
    monkeypatch.setattr(command, "LAUNCHER", tmp_path / "none")
    assert on_a_page("plan") == "glass plan"
