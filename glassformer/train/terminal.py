"""What a person sees while a model trains: a progress bar with the main numbers, and samples above it.

It gets every line that the run logs, and computes nothing itself. In a terminal it is a live bar, which follows the width
of the window; in a pipe, a log file or a terminal that cannot move its cursor it prints one plain line at a time.
"""

import signal
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from glassformer.system.blank_lines import without_blank_runs
from glassformer.system.visible import visible

WIDE = 80
"""Columns from which there is room for a bar and all numbers; below, steps and time left come first."""
OFTEN = 50
"""Steps between two lines where there is no bar."""


class Bar(Progress):
    """The live bar, laid out for the width that the window has now."""

    def __init__(self, console: Console, **settings: Any):
        spinner = SpinnerColumn("dots" if console.encoding.startswith("utf") else "line")
        numbers = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        self.layouts = {
            wide: (spinner, MofNCompleteColumn(), *[BarColumn(bar_width=24)] * wide, TimeRemainingColumn(compact=not wide),
                   TextColumn("{task.description}", table_column=numbers))
            for wide in (True, False)
        }  # fmt: skip
        self.screen = console
        super().__init__(console=console, transient=True, **settings)

    def make_tasks_table(self, tasks: Any) -> Table:
        wide = self.screen.width >= WIDE
        self.columns, self.expand = self.layouts[wide], not wide
        return super().make_tasks_table(tasks)


class Display:
    """Use it as a context, and give it to a Trainer as `watch`.

    If nobody reads the output any more (`| head -1`), or its disk is full, the training is asked to save and stop.
    """

    def __init__(self, console: Console, steps: int, done: int = 0):
        self.console, self.steps, self.start = console, steps, done
        self.numbers: dict[str, str] = {}
        self.lost = False
        self.live, self.told = console.is_interactive, done
        self.progress = Bar(console, disable=not self.live)
        self.task = self.progress.add_task("starting", total=steps, completed=done)

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.stop()

    def __call__(self, line: dict[str, Any]) -> None:
        """Show one logged line."""
        if self.lost:
            return
        try:
            self._show(line)
        except OSError:
            if signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.SIG_IGN, None):
                raise  # nobody would hear it
            self.lost = True
            signal.raise_signal(signal.SIGTERM)

    def _show(self, line: dict[str, Any]) -> None:
        match line["kind"]:
            case "train":
                self._train(line)
            case "eval":
                self.numbers["bits/byte"] = f"{line['bpb']:.3f}"
                self._say(
                    f"[dim]step {line['step']:>5}[/]  held-out loss [bold]{line['loss']:.3f}[/] nats a token, "
                    f"[bold]{line['bpb']:.3f}[/] bits a byte" + ("  (averaged weights)" if line.get("averaged") else "")
                )
            case "sample":
                title = f"step {line['step']}: " + (
                    f"continuing “{escape(line['prompt'])}”" if line["prompt"] else "a sample"
                )
                text = escape(visible(without_blank_runs(line["text"])))
                self.console.print(
                    Panel(
                        text, title=title, title_align="left", border_style="cyan", width=min(100, self.console.width)
                    )
                )
            case "event" if line["what"] == "plan":
                self.steps = line["steps"]
                self.progress.update(self.task, total=self.steps)
            case "event" if line["what"] == "doctor":
                self._say(f"[yellow]step {line['step']}: [bold]{escape(line['name'])}[/]: {escape(line['detail'])}[/]")
            case "event" if line["what"] in ("nan", "interrupted", "memorising", "refused"):
                self._say(f"[yellow]step {line['step']}: {line['what']} ({escape(line['detail'])})[/]")

    def _train(self, line: dict[str, Any]) -> None:
        loss = {"loss": f"{line['loss']:.3f}"}  # first, so that it stays when there is room for one number only
        self.numbers = loss | self.numbers | loss | {"tokens/s": f"{line['tokens_per_s']:,.0f}"}
        if line["memory_gb"] is not None:
            self.numbers["GiB"] = f"{line['memory_gb']:.1f}"
        summary = "  ".join(f"{name} {value}" for name, value in self.numbers.items())
        self.progress.update(self.task, completed=line["step"], description=summary)
        if not self.live and (line["step"] >= self.told + OFTEN or line["step"] == self.steps):
            self.told = line["step"]
            self._say(f"step {line['step']}/{self.steps}  {summary}  {line['seconds']:.0f} s")

    def _say(self, text: str) -> None:
        """Print a line above the bar; where there is no bar it stays one line, however long."""
        self.console.print(text, soft_wrap=not self.live)
