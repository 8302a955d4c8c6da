"""What verbs print: commands can be typed where the reader stands, and every ending names the next step."""

import re
import shlex
from pathlib import Path

import pytest

from glassformer.cli import terminal
from glassformer.cli.train import finished

ROOT = Path(__file__).parents[2]


def test_a_command_can_be_typed_in_the_clones_folder_and_elsewhere(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    assert terminal.typed("resume", Path("runs/demo")) == "./glass resume runs/demo"
    monkeypatch.chdir(tmp_path)
    program = shlex.split(terminal.typed("plan"))[0]
    assert Path(program).samefile(ROOT / "glass")


def test_a_name_with_a_space_is_one_word():
    words = ["generate", "runs/my first book", "it's late"]
    assert shlex.split(terminal.typed(*words))[1:] == words


def test_windows_and_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(terminal, "WINDOWS", True)
    with monkeypatch.context() as patch:
        patch.setattr(terminal, "LAUNCHER", tmp_path / "glass")  # there is no such file
        assert terminal.typed("plan") == "glass plan"
    monkeypatch.setattr(terminal, "LAUNCHER", ROOT / "glass")
    assert terminal.typed("generate", "runs/my book") == 'python glass generate "runs/my book"'


@pytest.mark.parametrize(("outcome", "verbs"), [("done", {"generate", "eval"}), ("interrupted", {"resume"})])
def test_the_end_of_a_training_names_the_next_step(outcome, verbs, capsys):
    finished(Path("runs/a b"), outcome, Path("runs/a b/report.html"))
    printed = capsys.readouterr().out
    found = re.findall(r"^  (\S*glass .*?)   ", printed, re.M)
    assert {shlex.split(line)[1] for line in found} == verbs
    assert all(shlex.split(line)[2] == "runs/a b" for line in found)


def test_minutes_that_are_none_are_refused(glass):
    for text in ("0", "-1", "nan", "inf", "soon", "1e9"):
        code, out, err = glass("demo", "--minutes", text)
        assert code == 2 and "minutes" in out + err and "Traceback" not in err
