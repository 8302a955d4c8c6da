"""What a training leaves on the disk: checkpoints, from which it goes on, and snapshots, which show how it learned."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from glassformer.model.gpt import GPT
from glassformer.model.parameters import names_of
from glassformer.runs import checkpoint, snapshots
from glassformer.runs.optimizer_state import merged
from glassformer.tokenizers import Tokenizer
from glassformer.train.average import Average
from glassformer.train.config import TrainConfig
from glassformer.train.ranks import ALONE, Ranks


class Saving:
    """The files that belong to the weights of one run."""

    def __init__(
        self, run: Path, model: GPT, optimizer: torch.optim.Optimizer, config: TrainConfig, recipe_json: str,
        tokenizer: Tokenizer, sources: Mapping[str, bytes], average: Average, ranks: Ranks = ALONE,
    ) -> None:  # fmt: skip
        """`run` is the run's folder; `sources` are the user's own files that the recipe names. One of the `ranks` writes,
        and the others send it their parts of the weights."""
        self.run, self.model, self.optimizer, self.average, self.config = run, model, optimizer, average, config
        self.ranks = ranks
        self.recipe_json, self.beside = recipe_json, (recipe_json, tokenizer, sources)

    def checkpoint(self, state: dict[str, Any]) -> Path:
        """Write a checkpoint, and delete those that are not kept; returns it. It is the same for any number of ranks."""
        folder = self.run / "checkpoints"
        content = checkpoint.Content.of(self.model, self.optimizer, self.average.tensors, self.ranks.whole)
        if self.model.partial:
            trees, frozen = zip(*self.ranks.trees([content.tree, content.frozen]), strict=True)
            names = names_of(self.model.config)
            kept = [name for name in names if any(name in some for some in frozen)]
            content = replace(content, tree=merged(trees, names), frozen=kept)
        if not self.ranks.writes:
            return folder / checkpoint.name_of(state)
        saved = checkpoint.write(folder, content, state, *self.beside)
        checkpoint.prune(folder, self.config.keep_checkpoints)
        return saved

    def snapshot(self, state: dict[str, Any], last: bool) -> None:
        """Write a snapshot, if the recipe has them and this is one of their steps or the `last` of the run."""
        if self.config.snapshots and (last or snapshots.is_due(state["step"])):
            weights = self.ranks.whole({**self.model.state_dict(), **self.average.tensors})
            if self.ranks.writes:
                snapshots.save(self.run, weights, state, *self.beside)
