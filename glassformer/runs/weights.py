"""Weights in a safetensors file: those of a checkpoint, and those of any module alone (an attention layer, a block, a part
of your own). A file is whole or is not there, and it is compared with the module before anything in it is used.
"""

import os
import re
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from glassformer.errors import CheckpointError, GlassError
from glassformer.model.wrapped import unwrapped
from glassformer.system.files import write_atomic

Module = TypeVar("Module", bound=nn.Module)


def save_weights(module: nn.Module, path: Path | str) -> Path:
    """Write the weights and buffers of any module to a safetensors file, whole or not at all; returns its path.

    >>> save_weights(block.mixer, "mixer.safetensors")
    >>> load_weights(other_block.mixer, "mixer.safetensors")

    Raises GlassError on a full disk, and for a module whose state is not tensors alone.
    """
    path, module = Path(path), unwrapped(module)
    tensors = module.state_dict()
    if other := next((name for name, value in tensors.items() if not isinstance(value, Tensor)), None):
        raise GlassError(f"{other} of {type(module).__name__} is not a tensor; a weights file holds tensors only")
    write_atomic(path, to_bytes(_storable(tensors)))
    return path


def load_weights(module: Module, path: Path | str) -> Module:
    """Copy the weights that `save_weights` wrote into a module built in the same way; returns the module.

    Raises CheckpointError naming the first weight that is missing, superfluous or of another shape.
    """
    tensors, inner = read_tensors(Path(path)), unwrapped(module)
    check_fit(inner, tensors, Path(path))
    inner.load_state_dict(tensors, assign=any(p.is_meta for p in inner.parameters()))
    return module


def _storable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none of which shares memory with another: tied weights are stored once for each name."""
    stored, found = set(), {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        found[name] = tensor.clone() if storage in stored else tensor
        stored.add(storage)
    return found


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors by name. Raises OSError."""
    try:
        save_file(_storable(tensors), path)
    except SafetensorError as error:  # it wraps the system's refusal: "I/O error: ... (os error 28)"
        number = re.search(r"os error (\d+)", str(error))
        raise OSError(int(number[1]), os.strerror(int(number[1]))) if number else OSError(str(error)) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name. Raises CheckpointError."""
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); use another file or checkpoint") from None


def check_fit(module: nn.Module, found: dict[str, Tensor], path: Path) -> None:
    """Raises CheckpointError naming the first tensor of the file `path` that does not fit the module."""
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, shape in wanted.items():
        if name not in found:
            raise CheckpointError(f"{path} lacks {name}; it was written for a model with other settings")
        if (was := tuple(found[name].shape)) != shape:
            raise CheckpointError(
                f"{path}: {name} has shape {was} and the model needs {shape}; build the model with the settings (such as "
                "recipe.json) that the weights were trained with"
            )
    if extra := sorted(found.keys() - wanted.keys()):
        raise CheckpointError(
            f"{path} holds {extra[0]}, which the model does not have; it was written for another model"
        )
