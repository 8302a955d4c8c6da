"""The tensors in a folder that another tool saved; their shapes can be checked before any is read.

`open_tensors` lists every tensor with its shape. Nothing large is in memory until `read()` is called on one of them. It
reads safetensors files and PyTorch's own, in one file or in shards. PyTorch's files are pickles, which can run code
when they are opened, so they are read by torch's restricted unpickler (`weights_only`), which only builds tensors.
"""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from glassformer.errors import CheckpointError

AGAIN = "download or save it again"


class Stored(NamedTuple):
    """One tensor on disk."""

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


def open_tensors(folder: Path) -> dict[str, Stored]:
    """Every tensor of the folder, by name. Raises CheckpointError if weights are missing, truncated or hostile."""
    for name, opened in (("model.safetensors", _safetensors), ("pytorch_model.bin", _pytorch)):
        index = folder / f"{name}.index.json"
        if (folder / name).exists():
            return dict(opened(folder / name))
        if index.exists():
            return {key: stored for shard in _shards(index) for key, stored in opened(folder / shard)}
    raise CheckpointError(f"{folder} has no model.safetensors and no pytorch_model.bin; {AGAIN} with its weights")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises CheckpointError."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name}; {AGAIN} with all its files") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {AGAIN}") from None
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path} holds a {type(tree).__name__} instead of an object with settings; {AGAIN}")
    return tree


def _shards(index: Path) -> list[str]:
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(s, str) and Path(s).name == s for s in shards.values()):
        raise CheckpointError(f"{index} must say in weight_map which file of this folder holds each tensor; {AGAIN}")
    return sorted(set(shards.values()))


def _safetensors(path: Path) -> Iterator[tuple[str, Stored]]:
    try:
        file = safe_open(path, "pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); {AGAIN}") from None
    for name in file.keys():  # noqa: SIM118  (a safetensors file is not a dict)
        yield name, Stored(tuple(file.get_slice(name).get_shape()), lambda name=name: file.get_tensor(name))


def _pytorch(path: Path) -> Iterator[tuple[str, Stored]]:
    try:
        mapped = zipfile.is_zipfile(path)  # files from before 2020 are bare pickles and must be read whole
        tree = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # torch names no error for a damaged file: whatever its parser trips over comes out
        raise CheckpointError(f"{path} cannot be read ({_first_line(error)}); {AGAIN}") from None
    if not isinstance(tree, dict) or not all(isinstance(tensor, Tensor) for tensor in tree.values()):
        raise CheckpointError(f"{path} holds other things than named tensors; save the model's state_dict() there")
    for name, tensor in tree.items():
        if tensor.untyped_storage().nbytes() < tensor.nbytes:  # strides can make a byte look like a gigabyte
            raise CheckpointError(f"{path}: the tensor {name} is larger than its data; {AGAIN}")
        yield name, Stored(tuple(tensor.shape), lambda tensor=tensor: tensor)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:; ")
