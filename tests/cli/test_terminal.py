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
    monkeypatch.setattr("glassformer.runs.report.write_report", lambda folder: folder / "report.html")
    with pytest.raises(typer.Exit) if outcome == "interrupted" else contextlib.nullcontext() as end:
        finished(Path("runs/a b"), outcome)
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


def test_the_live_bar_follows_the_width_of_the_window():
    shown = Console(file=io.StringIO(), width=120, force_terminal=True)
    display = Display(shown, steps=1500)
    display({"kind": "train", "step": 120, "loss": 7.63, "tokens_per_s": 12345, "memory_gb": 0.5, "seconds": 3})
    for width in (120, 40, 120):
        shown.width = width
        plain = Console(file=io.StringIO(), width=width)
        plain.print(display.progress.get_renderable())
        (line,) = plain.file.getvalue().splitlines()  # type: ignore[attr-defined]
        assert "120/1500" in line and "loss 7.63" in line and len(line) <= width
        assert ("GiB 0.5" in line) == ("━" in line) == (width == 120)


@pytest.mark.parametrize("settings", [{}, {"force_terminal": True}], ids=["pipe", "dumb"])
def test_without_a_bar_there_is_one_line_for_each_fifty_steps(settings, monkeypatch):
    """Also where the lines of the log do not fall on round steps, and where a line is longer than the console is wide."""
    monkeypatch.setenv("TERM", "dumb")
    shown = Console(file=io.StringIO(), width=40, **settings)
    with Display(shown, steps=160) as display:
        for step in [*range(7, 160, 7), 160]:
            display({"kind": "train", "step": step, "loss": 7.5, "tokens_per_s": 1e5, "memory_gb": 0.5, "seconds": step})
        display({"kind": "event", "step": 160, "what": "memorising", "detail": "the held-out loss rises " * 5})
    out = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in out
    *lines, event = out.splitlines()
    assert [line.split("/")[0] for line in lines] == ["step 56", "step 112", "step 160"]
    assert all("loss 7.500  tokens/s 100,000  GiB 0.5" in line for line in lines) and event.count("rises") == 5


def test_a_note_is_printed_above_the_bar():
    """With rich's own console it was written into the line of the bar, which stayed on the screen."""
    import logging

    from glassformer.system.terminal import Notes

    class Screen(io.StringIO):
        isatty = lambda self: True  # noqa: E731

    with pytest.MonkeyPatch.context() as patch:
        screen = Screen()
        patch.setattr("sys.stdout", screen)
        patch.setattr("sys.stderr", screen)
        with Display(Console(width=40, force_terminal=True), steps=9) as display:
            display.progress.refresh()
            Notes().emit(logging.LogRecord("glassformer", logging.INFO, "", 0, "a note", (), None))
    before = screen.getvalue().partition("a note")[0]
    assert before.removesuffix("\x1b[2m").endswith("\x1b[2K"), "the bar was not wiped first"


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
