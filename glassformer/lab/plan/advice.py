"""What to change if a run does not fit into memory. Each suggestion is a single change; those that leave the result as
it is come first.

    micro_batch_size down, grad_accumulation up     the same batch, a little slower
    checkpoint_activations                          the same batch, up to a third slower
    precision                                       16-bit activations
    parallel.* (with several ranks)                 the same batch, with the model divided (`layout_that_fits`)
    optimizer=muon                                  4 instead of 8 bytes of state per weight of a matrix
    context_length                                  another model, which sees less text at once
"""

from collections.abc import Iterator
from itertools import product

from glassformer.errors import SettingError
from glassformer.lab.plan import USABLE, Plan, peak_memory, share
from glassformer.lab.plan.hardware import TABLE
from glassformer.lab.plan.layout import divided, whole


def settings_that_fit(found: Plan) -> list[tuple[str, float]]:
    """(settings to paste, peak bytes with them) for each single change that is enough; empty if none is."""
    room = USABLE * found.hardware.memory
    fitting = []
    for choice in _changes(found):
        for settings in choice:
            peak = _peak(found, settings)
            if peak <= room:
                fitting.append((" ".join(settings), peak))
                break
    return fitting


def layout_that_fits(found: Plan) -> str:
    """The settings `parallel.*` in which the devices of the plan have room: few pieces of a matrix, then few stages, since
    these send the most and wait the longest. Empty if there is none."""
    room, model = USABLE * found.hardware.memory, whole(found.recipe)
    for tensor, pipeline in product((1, 2, 4, 8), (1, 2, 4, 8, 16, 32)):
        words = ["parallel.shard=true", f"parallel.tensor={tensor}", f"parallel.pipeline={pipeline}"]
        recipe = found.recipe.override(*words, *["parallel.sequence=true"] * (tensor > 1))
        try:
            layout = recipe.parallel.layout(found.ranks)
            local = share(recipe, layout.data)
            then = divided(recipe, local, found.memory, layout, found.hardware, model)
        except SettingError:  # it does not divide the devices, the heads, the blocks or the batch
            continue
        if then.peak <= room:
            return " ".join([*words, *["parallel.sequence=true"] * (tensor > 1)])
    return ""


def machines_that_fit(found: Plan) -> list[str]:
    """What else would hold it: the smallest machine of the table, or how many of this one if they use FSDP."""
    others = sorted(TABLE, key=lambda row: row.memory)
    fit = [row.name for row in others if found.memory.peak <= USABLE * row.memory]
    advice = [f"--hardware {fit[0]}"] if fit else []
    room = USABLE * found.hardware.memory
    states = found.memory.weights + found.memory.gradients + found.memory.optimizer
    rest = found.memory.peak - states
    if rest < room:
        advice.append(f"{-(-states // (room - rest)):,.0f} or more {found.hardware.name} that share weights, gradients and "
                      "optimizer state (FSDP)")  # fmt: skip
    return advice


def _peak(found: Plan, settings: list[str]) -> float:
    recipe = found.recipe.override(*settings)
    precision = found.precision if recipe.train.precision == "auto" else recipe.train.precision
    return peak_memory(recipe, found.hardware, found.ranks, precision)


def _changes(found: Plan) -> Iterator[list[list[str]]]:
    """Each kind of change, as alternatives from mild to strong."""
    train, model, batch = found.recipe.train, found.recipe.model, found.recipe.train.batch_size
    rows = [n for n in range(train.micro_batch_size - 1, 0, -1) if batch % n == 0 and batch // n % found.ranks == 0]
    halves = [n for i, n in enumerate(rows) if i == 0 or n == 1 or n <= train.micro_batch_size // 2]
    yield [[f"train.micro_batch_size={n}", f"train.grad_accumulation={batch // n}"] for n in halves]
    if train.checkpoint_activations != 1:
        yield [["train.checkpoint_activations=1"]]
    if found.precision == "fp32" and found.hardware.kind != "mps":
        yield [[f"train.precision={'fp16' if found.hardware.precision == 'fp16' else 'bf16'}"]]
    if train.optimizer.name == "adamw":
        yield [["train.optimizer=muon"]]
    lengths = [model.context_length // n for n in (2, 4, 8)]
    yield [[f"model.context_length={n}"] for n in lengths if n >= 32]
