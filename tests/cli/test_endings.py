"""Every verb ends with what can be typed next, and what it suggests can be typed."""

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from glassformer import cli
from glassformer.cli.terminal import typed
from glassformer.lab import contracts
from glassformer.lab.compare import terminal as comparing
from glassformer.lab.contracts import terminal as checking
from glassformer.lab.plan import terminal as planning
from glassformer.lab.stability import terminal as stability


def suggested(out: str) -> list[list[str]]:
    """The words of each command after "Next:", without the program; each is one that the command line understands."""
    program, found = typed(), []
    for line in out.partition("Next:\n")[2].splitlines():
        if line.strip().startswith(program):
            words = shlex.split(line.strip().removeprefix(program).split("   ")[0])
            group = typer.main.get_command(cli.app)
            context = group.make_context("glass", list(words))
            name, command, rest = group.resolve_command(context, words)
            if hasattr(command, "resolve_command"):
                name, command, rest = command.resolve_command(command.make_context(name, list(rest)), rest)
            command.make_context(name, rest, parent=context)
            found.append(words)
    assert found, out
    return found


def test_fault_24_prepare_ends_with_training_on_the_same_text(glass, tmp_path):
    (tmp_path / "my book.txt").write_text("One day the moon was late, and nobody could say why.\n\n" * 60)
    code, out, _ = glass("prepare", "my book.txt", "tokenizer=byte")
    assert code == 0
    train, check = suggested(out)
    assert train == ["train", "my book.txt", "tokenizer=byte"]
    assert check[:2] == ["data", "check"] and Path(check[2]).is_dir()
    code, out, _ = glass("prepare", "my book.txt", "tokenizer=byte", "--explain")
    assert code == 0 and suggested(out) == [["prepare", "my book.txt", "tokenizer=byte"]]


def test_fault_24_plan_ends_with_training_only_what_fits_here(glass, monkeypatch):
    def planned(fits: bool, measured: bool):
        found = SimpleNamespace(fits=fits, hardware=SimpleNamespace(measured=measured))
        monkeypatch.setattr(planning, "show", lambda *asked: found)

    planned(fits=True, measured=True)
    assert suggested(glass("plan", "gpt2", "train.steps=5")[1])[0] == ["train", "train.steps=5", "--recipe", "gpt2"]
    changes = ["train.steps=5", "model.norm=none"]
    assert suggested(glass("plan", *changes)[1])[0] == ["train", *changes]
    assert "Next" not in glass("plan", "mini", "--json")[1]
    for fits, measured in ((False, True), (True, False)):
        planned(fits, measured)
        assert suggested(glass("plan", "gpt3")[1]) == [["settings", "gpt3"]]


@pytest.mark.parametrize("best", [Path("runs/c/base-1337"), None])
def test_fault_24_compare_and_stability_end_with_a_next_step(glass, monkeypatch, best):
    monkeypatch.setattr(comparing, "run", lambda *asked: best)
    monkeypatch.setattr(stability, "run", lambda *asked: None)
    words = suggested(glass("compare", "--against", "model.mixer=sliding")[1])
    assert words == ([["stability"]] if best is None else [["eval", str(best)], ["generate", str(best)]])
    assert suggested(glass("stability")[1])[0][0] == "compare"


def test_fault_24_generate_suggests_on_a_terminal_and_never_in_a_pipe(glass, monkeypatch):
    monkeypatch.setattr("glassformer.recipes.terminal.write_texts", lambda *asked: print("One day"))
    words = ("generate", "runs/x", "One day", "-s", "temperature=0.5")
    assert glass(*words)[1] == "One day\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert suggested(glass(*words)[1]) == [["generate", "runs/x", "One day", "-n", "3", "--set=temperature=0.5"]]


@pytest.mark.parametrize(
    ("setting", "verb"), [("model.norm", "compare"), ("train.optimizer", "compare"), ("corpus", "train")]
)
def test_fault_24_check_variant_ends_with_using_the_part_or_testing_it_again(glass, monkeypatch, setting, verb):
    monkeypatch.setattr(contracts, "parts_of", lambda path: [SimpleNamespace(setting=setting)])
    monkeypatch.setattr(checking, "check_variant", lambda *asked: True)
    [words] = suggested(glass("check-variant", "./part.py")[1])
    assert words[0] == verb and words[-1] == f"{setting}=./part.py"
    monkeypatch.setattr(checking, "check_variant", lambda *asked: False)
    code, out, _ = glass("check-variant", "./part.py")
    assert code == 1 and suggested(out) == [["check-variant", "./part.py"]]
