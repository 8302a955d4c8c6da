"""How a checkpoint is written: first everything that it holds in memory, then the folder (checkpoint.py).

The folder is filled under another name, forced to the disk and renamed, so a crash or a full disk leaves the earlier
checkpoints as they were. `Contents` may be the tensors of the model itself, or a copy of them, which is written while the
training goes on (train/saving.py).
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.runs import manifest, optimizer_state, parts
from glassformer.runs.weights import write_tensors
from glassformer.system.files import write_atomic
from glassformer.system.folders import all_or_nothing
from glassformer.tokenizers import Tokenizer

AVERAGE = "average.safetensors"


@dataclass(frozen=True)
class Contents:
    """What a checkpoint holds."""

    state: dict[str, Any]
    """step, tokens, seconds, the names of the frozen parameters, and what else the trainer keeps."""
    tensors: dict[str, dict[str, Tensor]]
    """{name of the file: {name: tensor}}."""
    optimizer: dict[str, Any]
    """The numbers of the optimizer (optimizer_state.py)."""

    @property
    def bytes(self) -> int:
        """The size of all tensors."""
        return sum(t.numel() * t.element_size() for tensors in self.tensors.values() for t in tensors.values())


def contents(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, state: dict[str, Any],
    averages: Mapping[str, Tensor] | None = None,
) -> Contents:  # fmt: skip
    """What a checkpoint of `model` holds now; the tensors are the model's own. `optimizer` is None where there is none to
    go on with, as in an import."""
    tensors, numbers = optimizer_state.packed(optimizer, model) if optimizer else ({}, {})
    files = {"model.safetensors": dict(model.state_dict()), "optimizer.safetensors": tensors}
    if averages:
        files[AVERAGE] = dict(averages)
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    return Contents({**state, "frozen": frozen}, files, numbers)


def name_of(state: Mapping[str, Any]) -> str:
    """The name of the folder of a checkpoint with this state: its step."""
    return f"{state['step']:08d}"


def save(
    folder: Path, held: Contents, recipe_json: str, tokenizer: Tokenizer, sources: Mapping[str, bytes] | None = None
) -> Path:
    """Write `folder/<step>`; returns it. One of the same step is replaced. `sources` are the user's own files that the
    recipe names. Raises DiskError where the system refuses, such as on a full disk.
    """
    final = folder / name_of(held.state)
    with written(final, held.state, recipe_json, tokenizer, sources or {}) as growing:
        for name, tensors in held.tensors.items():
            write_tensors(growing / name, tensors)
        write_atomic(growing / "optimizer.json", json.dumps(held.optimizer, indent=1) + "\n")
    return final


@contextlib.contextmanager
def written(
    final: Path, state: dict[str, Any], recipe_json: str, tokenizer: Tokenizer, sources: Mapping[str, bytes]
) -> Iterator[Path]:
    """A folder to put the weights into, which becomes `final` with the rest of a checkpoint if the block ends without an
    error. Raises DiskError where the system refuses, such as on a full disk."""
    with all_or_nothing(final) as growing:
        yield growing
        write_atomic(growing / "state.json", json.dumps(state, indent=2) + "\n")
        write_atomic(growing / "recipe.json", recipe_json)
        tokenizer.save(growing / "tokenizer.json")
        parts.keep(growing, sources)
        manifest.seal(growing)
