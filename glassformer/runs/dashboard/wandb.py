"""Weights & Biases: one run of a project, which a resumed training goes on with (its id is in `wandb.json`).

Without an API key, or where the server does not answer, the run is kept offline in the folder `wandb` of the run, and
`wandb sync` uploads it later. WANDB_PROJECT, WANDB_ENTITY, WANDB_MODE and W&B's other variables have their usual effect.
A history of W&B only grows, so what has been sent is not sent again.
"""

import logging
import os
import secrets
import shlex
from typing import Any

# pyright takes this file for the package of its name, so:
# pyright: reportAttributeAccessIssue=false, reportMissingImports=false
import wandb

from glassformer.pages.frame import homeless
from glassformer.runs.dashboard import PROJECT, Dashboard
from glassformer.runs.run import Run

log = logging.getLogger(__name__)
MOST_SAMPLES = 100
"""The newest texts, which the table holds; W&B keeps a copy of the table for each sample."""


class WeightsAndBiases(Dashboard):
    """A run of W&B. Its x axis is `step`, since W&B's own counts the calls."""

    def __init__(self, run: Run):
        super().__init__(run)
        identity = self.known().get("id") or secrets.token_hex(4)
        self.remember(id=identity)  # before anything is sent: the next process goes on with this run
        mode, why = _mode()
        self.remote = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT), id=identity, name=run.name, resume="allow", mode=mode,
            config=homeless({**run.recipe(), "run": run.facts()}), dir=str(run.folder),
            settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip
        self.remote.define_metric("step")
        self.remote.define_metric("*", step_metric="step")
        offline = self.remote.settings.mode == "offline"
        where = (
            f"`wandb sync {shlex.quote(str(run.folder / 'wandb'))}/offline-run-*` uploads it"
            if offline
            else self.remote.url
        )
        log.info("W&B%s: %s", f", offline ({why})" if why else "", where)

    def numbers(self, step: int, values: dict[str, float], time: float) -> None:
        self.remote.log({**values, "step": step})
        self.remote.summary.update({name: value for name, value in values.items() if name.startswith("score/")})

    def sample(self, step: int, prompt: str, text: str, time: float) -> None:
        newest = [
            [line["step"], line.get("prompt"), line["text"]] for line in self.run.samples() if line["step"] <= step
        ]
        table = wandb.Table(columns=["step", "prompt", "text"], data=newest[-MOST_SAMPLES:])
        self.remote.log({"sample": table, "step": step})

    def close(self, failed: bool) -> None:
        self.remote.finish(exit_code=1 if failed else 0)


def _mode() -> tuple[Any, str]:
    """(the mode to open a run in, None for the one that the user's settings say; why that is offline, if it was chosen
    here)."""
    if os.environ.get("WANDB_MODE"):
        return None, ""
    try:
        known = wandb.login(prompt=False)
    except Exception as error:
        return "offline", str(error).splitlines()[0]
    return (None, "") if known else ("offline", "there is no API key: `wandb login` takes one")
