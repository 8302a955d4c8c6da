"""The state of any torch optimizer as tensors and plain values, by the names of the model's parameters.

`torch.optim.Optimizer.state_dict()` numbers the parameters in the order of the optimizer's groups, which says nothing to a
reader and changes when another parameter is frozen. Here every number becomes a name. Tensors go into a flat dictionary
(for a safetensors file); everything else stays in a tree of JSON values in which {"tensor": "embed.weight/mean"} stands for
a tensor and {"tuple": [...]} for a tuple. Nothing is pickled.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.errors import CheckpointError, GlassError


def packed(optimizer: torch.optim.Optimizer, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, tree) of everything in `optimizer.state_dict()`.

    Raises GlassError for a parameter that the model does not have, and for a value that is neither a tensor nor JSON.
    """
    whole, names = optimizer.state_dict(), _names(optimizer, model)
    tensors: dict[str, Tensor] = {}
    named = {
        **whole,
        "state": {names.get(number, number): value for number, value in whole["state"].items()},
        "param_groups": [{**g, "params": [names[i] for i in g["params"]]} for g in whole["param_groups"]],
    }
    return tensors, {key: _packed(value, "" if key == "state" else key, tensors) for key, value in named.items()}


Placed = Callable[[Tensor, Tensor], Tensor]
"""`placed(tensor, parameter)`: a whole tensor with the shape of a parameter, divided over the processes as that is."""


def alone(tensor: Tensor, parameter: Tensor) -> Tensor:
    """The Placed of one process."""
    return tensor


def restore(
    optimizer: torch.optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor], tree: Any, placed: Placed = alone
) -> None:
    """Give `optimizer`, made as the packed one was, the state that `packed` took. Raises CheckpointError if it differs."""
    names = _names(optimizer, model)
    whole = {key: _unpacked(value, tensors) for key, value in tree.items()}
    groups, wanted = iter(names.values()), [group["params"] for group in whole["param_groups"]]
    found = [[next(groups) for _ in group["params"]] for group in optimizer.param_groups]
    if found != wanted:
        raise CheckpointError(
            "the optimizer of the checkpoint updates other parameters, or groups them in another way; resume with the "
            "model, the frozen parameters and the train.optimizer settings of the run"
        )
    params = {name: p for p, name in zip(_params(optimizer), names.values())}
    for name, p in params.items():
        state = whole["state"].get(name, {})
        _check_fit(name, optimizer.state.get(p, {}), state)
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape:
                state[key] = placed(value, p)
    numbers: dict[Any, Any] = {name: number for number, name in names.items()}
    state = {numbers.get(name, name): value for name, value in whole["state"].items()}
    saved = [{**group, "params": [numbers[name] for name in group["params"]]} for group in whole["param_groups"]]
    optimizer.load_state_dict({**whole, "state": state, "param_groups": saved})
    for name, p in params.items():
        for key, value in whole["state"].get(name, {}).items():  # torch gives every tensor the dtype of its parameter
            if isinstance(value, Tensor) and optimizer.state[p][key].dtype != value.dtype:
                optimizer.state[p][key] = value.to(p.device)


def merged(trees: Sequence[Any], order: Sequence[str]) -> dict[str, Any]:
    """The tree of one process, from those of processes that have different parameters; `order` names all of them."""
    place, groups = {name: i for i, name in enumerate(order)}, {}
    for tree in trees:
        for group in tree["param_groups"]:
            rest = {key: value for key, value in group.items() if key not in ("params", "names")}
            groups.setdefault(json.dumps(rest, sort_keys=True), (group, set()))[1].update(group["params"])
    found = [{**group, **_named(sorted(names, key=place.__getitem__), group)} for group, names in groups.values()]
    state = {name: value for tree in trees for name, value in tree["state"].items()}
    ordered = {name: state[name] for name in order if name in state}
    return {**trees[0], "state": ordered, "param_groups": sorted(found, key=lambda group: place[group["params"][0]])}


def of_these(tree: Any, names: Collection[str]) -> dict[str, Any]:
    """What of the tree of one process belongs to a process that has only the parameters `names`."""
    groups = [
        {**group, **_named([name for name in group["params"] if name in names], group)} for group in tree["param_groups"]
    ]
    state = {name: value for name, value in tree["state"].items() if name in names}
    place = {name: i for i, name in enumerate(names)}  # its optimizer begins with the group of its first parameter
    groups = sorted((group for group in groups if group["params"]), key=lambda group: place[group["params"][0]])
    return {**tree, "state": state, "param_groups": groups}


def _named(names: list[str], group: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a group, and their names where it keeps them besides."""
    return {"params": names, "names": names} if "names" in group else {"params": names}


def _check_fit(name: str, present: dict[str, Any], saved: dict[str, Any]) -> None:
    """An optimizer that has its state from the beginning says what belongs there. Raises CheckpointError."""
    for key, value in present.items():
        given = saved.get(key)
        if isinstance(value, Tensor) and not (isinstance(given, Tensor) and given.shape == value.shape):
            raise CheckpointError(
                f"the checkpoint has no '{key}' of shape {tuple(value.shape)} for {name}; resume with the train.optimizer "
                "settings of the run"
            )


def _params(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _names(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[int, str]:
    """The name of each parameter by its number in the optimizer's state_dict."""
    named = {p: name for name, p in model.named_parameters()}
    params = _params(optimizer)
    if unknown := [p for p in params if p not in named]:
        raise GlassError(
            f"the optimizer updates a parameter of shape {tuple(unknown[0].shape)} that the model does not have, so no "
            "checkpoint can hold its state; make it a parameter of the model"
        )
    return {number: named[p] for number, p in enumerate(params)}


def _packed(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, its tensors moved to `tensors` under their paths."""

    def below(key: Any) -> str:
        return f"{path}/{key}" if path else str(key)

    if isinstance(value, Tensor):
        tensors[path] = value
        return {"tensor": path}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _packed(part, below(key), tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        parts = [_packed(part, below(i), tensors) for i, part in enumerate(value)]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise GlassError(
        f"the optimizer's state has a {type(value).__name__} at {path}, which a checkpoint cannot hold; keep tensors, "
        "numbers, strings, and lists, tuples and dictionaries of them"
    )


def _unpacked(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"tensor"} and value["tensor"] in tensors:
            return tensors[value["tensor"]]
        if value.keys() == {"tuple"}:
            return tuple(_unpacked(part, tensors) for part in value["tuple"])
        return {key: _unpacked(part, tensors) for key, part in value.items()}
    return [_unpacked(part, tensors) for part in value] if isinstance(value, list) else value
