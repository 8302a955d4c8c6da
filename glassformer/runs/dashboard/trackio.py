"""Trackio: Hugging Face's local dashboard, `trackio show`; its database is on this machine, and needs no account.

A resumed training goes on with its run there. TRACKIO_PROJECT names the project, and TRACKIO_SPACE_ID and Trackio's other
variables have their usual effect. A history of Trackio only grows, so what has been sent is not sent again.
"""

import contextlib
import io
import logging
import os
import textwrap

# pyright takes this file for the package of its name, so:
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
import trackio

from glassformer.pages.frame import homeless
from glassformer.runs.dashboard import PROJECT, Dashboard
from glassformer.runs.run import Run

log = logging.getLogger(__name__)


class Trackio(Dashboard):
    """A run of Trackio. What Trackio prints is kept from the terminal, where the training shows its progress."""

    def __init__(self, run: Run):
        super().__init__(run)
        project, begun = os.environ.get("TRACKIO_PROJECT", PROJECT), bool(self.known())
        with contextlib.redirect_stdout(io.StringIO()):
            self.remote = trackio.init(
                project=project, name=run.name, resume="allow" if begun else "never", embed=False,
                config=homeless({**run.recipe(), "run": run.facts()}),
            )  # fmt: skip
        self.remember(project=project)
        log.info("Trackio: `trackio show --project %s` shows this run", project)

    def numbers(self, step: int, values: dict[str, float], time: float) -> None:
        self.remote.log(values, step=step)

    def sample(self, step: int, prompt: str, text: str, time: float) -> None:
        as_it_is = textwrap.indent(text, "    ", lambda line: True)  # Markdown's way of saying: change nothing
        self.remote.log({"sample": trackio.Markdown(as_it_is)}, step=step)

    def close(self, failed: bool) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            trackio.finish()
