"""Going back after a loss spike (`train.doctor=rollback`): to the last checkpoint, and on without the batch of the spike.

    step s reads batch  s + number of left-out batches before it

PaLM (Chowdhery et al., 2022, section 5.1) was trained so: going back alone met the spike again, other batches did not.

The event `rollback` in the log names the batch, so a run that is killed and resumed leaves out the same ones. The event
`resume` beside it cancels the logged lines of the steps that are trained again.
"""

from typing import Any, Protocol

import torch

from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.runs.weights import read_tensors
from glassformer.train.config import TrainConfig

MOST = 5
"""Batches that are left out in one run; spikes after that are only told."""


class Rollback:
    """Which batches a run leaves out."""

    def __init__(self, config: TrainConfig, run: Run, alone: bool) -> None:
        """`alone`: the whole model is in this process; otherwise no run goes back."""
        self.run, self.acts = run, alone and config.doctor == "rollback"
        self.left_out = sorted(int(e["batch"]) for e in run.metrics("event") if e.get("what") == "rollback")

    def number(self, step: int) -> int:
        """The number of the batch that update `step` reads."""
        for batch in self.left_out:
            step += batch <= step
        return step

    def go_back(self, training: "Training", loss: float) -> bool:
        """After a spike in the step that has just ended: return to the newest checkpoint and leave its batch out. False,
        with nothing changed, if the run does not go back. Raises CheckpointError or DiskError."""
        if not self.acts or len(self.left_out) >= MOST:
            return False
        training.settle()
        if (folder := checkpoint.newest(self.run.folder)) is None:
            return False
        saved, batch, step = checkpoint.load(folder), self.number(training.done - 1), training.done
        weights = read_tensors(saved.folder / "model.safetensors")
        with torch.no_grad():
            for name, tensor in training.inner.state_dict().items():
                tensor.copy_(weights[name])
        self.left_out = sorted([*self.left_out, batch])
        detail = f"the loss was {loss:.2f}: back to step {saved.step:,}, and batch {batch:,} is left out"
        self.run.log("event", step, what="rollback", batch=batch, detail=detail)
        training.restore(saved)
        self.run.log("event", saved.step, what="resume", detail=f"after the spike at step {step:,}")
        return True


class Training(Protocol):
    """What going back needs of a Trainer."""

    done: int
    inner: Any

    def settle(self) -> None:
        """Wait for the checkpoint in the background."""
        ...

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Take in everything of a checkpoint but the weights."""
        ...
