"""What verbs print: every ending names the next step."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
import typer
from rich.table import Table

from glassformer.cli.train import finished
from glassformer.system.terminal import Console
from glassformer.train.terminal import Display


@pytest.mark.parametrize(("outcome", "verbs"), [("done", {"generate", "eval"}), ("interrupted", {"resume"})])
def test_the_end_of_a_training_names_the_next_step(outcome, verbs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(typer.Exit) if outcome == "interrupted" else contextlib.nullcontext() as end:
        finished(Path("runs/a b"), outcome, Path("runs/a b/report.html"))
    assert end is None or end.value.exit_code == 130
    printed = capsys.readouterr().out
    found = re.findall(r"^  (\S*glass .*?)   ", printed, re.M)
    assert {shlex.split(line)[1] for line in found} == verbs
    assert all(shlex.split(line)[2] == "runs/a b" for line in found)


def test_minutes_that_are_none_are_refused(glass):
    for text in ("0", "-1", "nan", "inf", "soon", "1e9"):
        code, out, err = glass("demo", "--minutes", text)
        assert code == 2 and "minutes" in out + err and "Traceback" not in err


def test_fault_37_the_live_bar_keeps_steps_and_time_left_at_40_columns():
    for width in (40, 60, 80, 200):
        shown = Console(file=io.StringIO(), width=width, force_terminal=True)
        display = Display(shown, steps=1500)
        display.numbers["bits/byte"] = "1.234"
        display({"kind": "train", "step": 120, "loss": 7.63, "tokens_per_s": 12345, "memory_gb": None, "seconds": 3})
        plain = Console(file=io.StringIO(), width=width)
        plain.print(display.progress.get_renderable())
        (line,) = plain.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert "120/1500" in line and re.search(r"\d\d:\d\d|-:--", line) and "loss 7.6" in line and len(line) <= width


def test_fault_24_a_sample_is_called_a_sample_and_its_blank_lines_do_not_fill_the_screen():
    shown = Console(file=io.StringIO(), width=80)
    Display(shown, steps=9)({"kind": "sample", "step": 3, "prompt": "", "text": "def f():" + "\n" * 60 + "    pass"})
    out = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "step 3: a sample" in out and "story" not in out and "(59 blank lines)" in out and len(out.splitlines()) < 9


def test_fault_37_a_table_that_is_too_wide_becomes_a_list_and_loses_no_digit():
    table = Table("who", "documents", "tokens", "bytes/token", title="sizes")
    table.add_row("train", "1,234,567", "", "1.94")
    for width, is_table in ((80, True), (30, False)):
        console = Console(file=io.StringIO(), width=width)
        console.print(table)
        printed = console.file.getvalue()  # type: ignore[attr-defined]
        assert "1,234,567" in printed and "1.94" in printed and "…" not in printed
        assert ("train" in printed.splitlines()[1]) != is_table and ("tokens" in printed) == is_table


def test_fault_37_plan_at_40_columns_loses_nothing(glass, monkeypatch):
    wide = glass("plan", "mini", "--hardware", "rtx4090")[1]
    monkeypatch.setenv("COLUMNS", "40")
    code, narrow, _ = glass("plan", "mini", "--hardware", "rtx4090")
    assert code == 0 and all(len(line) <= 40 or "glass settings" in line for line in narrow.splitlines())
    assert sorted(wide.split()) == sorted(narrow.split())


@pytest.mark.parametrize("width", [40, 80])
def test_help_can_be_read(glass, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = glass("--help")
    assert code == 0 and all(len(line) <= width for line in out.splitlines())
    for group in ("Start here", "Make a model", "Use a model", "Look and measure", "Research"):
        assert group in out
    assert not re.search(r"\w…", out)


def test_no_colour_no_escape(glass, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    for words in (["settings"], ["--help"], ["tokenize", "Hello"]):
        assert "\x1b" not in glass(*words)[1]
