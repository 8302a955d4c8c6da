"""What a training leaves on the disk: checkpoints, from which it goes on, and snapshots, which show how it learned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from glassformer.model.gpt import GPT
from glassformer.runs import checkpoint, snapshots
from glassformer.tokenizers import Tokenizer
from glassformer.train.average import Average
from glassformer.train.config import TrainConfig


class Saving:
    """The files that belong to the weights of one run."""

    def __init__(
        self, run: Path, model: GPT, optimizer: torch.optim.Optimizer, config: TrainConfig, recipe_json: str,
        tokenizer: Tokenizer, sources: Mapping[str, bytes], average: Average,
    ) -> None:  # fmt: skip
        """`run` is the run's folder; `sources` are the user's own files that the recipe names."""
        self.run, self.model, self.optimizer, self.average, self.config = run, model, optimizer, average, config
        self.recipe_json, self.beside = recipe_json, (recipe_json, tokenizer, sources)

    def checkpoint(self, state: dict[str, Any]) -> Path:
        """Write a checkpoint, and delete those that are not kept; returns it."""
        folder = self.run / "checkpoints"
        saved = checkpoint.save(folder, self.model, self.optimizer, state, *self.beside, self.average.tensors)
        checkpoint.prune(folder, self.config.keep_checkpoints)
        return saved

    def snapshot(self, state: dict[str, Any], last: bool) -> None:
        """Write a snapshot, if the recipe has them and this is one of their steps or the `last` of the run."""
        if self.config.snapshots and (last or snapshots.is_due(state["step"])):
            weights = {**self.model.state_dict(), **self.average.tensors}
            snapshots.save(self.run, weights, state, *self.beside)
