"""The plan of a run before it is run: will it fit, how long will it take, what will I get?

Nothing is allocated. Parameters are counted on the meta device; bytes and operators come from a step on fake tensors
(`trace`), seconds from three numbers of a machine (`clock`, `hardware`), tokens from the text (`text`), the loss from a
scaling law (`scaling`). Begin with `plan()` below. `advice` says what to change if it does not fit; `terminal` prints the
plan.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

from glassformer.corpora.files import Files
from glassformer.errors import SettingError
from glassformer.lab.plan import clock, scaling
from glassformer.lab.plan.depths import linear, shallow_depths
from glassformer.lab.plan.hardware import Hardware
from glassformer.lab.plan.layout import Divided, divided
from glassformer.lab.plan.text import Data, data_of, prepared, vocabulary_of
from glassformer.lab.plan.trace import UPDATE, Trace, cache_bytes, grown, peak, resident, traced
from glassformer.model.parameters import parameters_by_part
from glassformer.parallel.config import Layout
from glassformer.recipes.presets import Recipe

PROCESS = {"cpu": 0.305e9, "cuda": 0.5e9, "mps": 0.5e9}
"""Bytes that Python and PyTorch take themselves while training (on a GPU: its context). For a CPU this was measured:
0.25 GB after the imports and 0.055 GB more once kernels have run. The others are commonly reported values."""
USABLE = 0.92
"""The share of a device's memory that a program can use."""
READINGS, USELESS = 4, 16
"""Up to so many readings a text is worth nearly as much as new text; after so many, more of them are worth little
(Muennighoff et al., 2023, figures 1 and 5)."""


@dataclass(frozen=True)
class Memory:
    """Bytes on one device during training."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    """What the forward pass of one micro-batch keeps for the backward pass. The loss keeps its gradients, which it computes
    in chunks in the forward pass; a head that looks back keeps all logits."""
    passing: float
    """What the peak holds beyond the four above: temporaries, the gradient of the logits and what the allocator loses,
    minus what does not exist yet at that moment, such as gradients before the first backward pass."""
    process: float
    copy: float
    """What `train.async_checkpoint` copies for the thread that writes: weights and optimizer, in main memory, also where
    the device is a GPU."""
    peak: float


@dataclass(frozen=True)
class Plan:
    """Everything that `glass plan` says. Sizes are in bytes, times in seconds."""

    recipe: Recipe
    hardware: Hardware
    ranks: int
    precision: str
    parameters: dict[str, int]
    memory: Memory
    sharded: float
    """Peak bytes per device if weights, gradients and optimizer state are split among the ranks (FSDP)."""
    cache: float
    """Bytes of the KV cache when generating one text of context_length tokens, in fp32."""
    checkpoint: float
    data: Data
    flops_per_token: float
    seconds_per_step: float
    loss: scaling.Band | None
    divided: Divided
    """What one of the devices stores and sends, with the layout of `parallel.*`."""

    @property
    def n_parameters(self) -> int:
        """The sum over all parts of the model."""
        return sum(self.parameters.values())

    @property
    def seconds(self) -> float:
        """The time of all steps, without evaluations and samples."""
        return self.seconds_per_step * self.recipe.train.steps

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one step reads, on all ranks together: the mean, where the batch grows."""
        return round(self.recipe.train.mean_batch_size * self.recipe.model.context_length)

    @property
    def tokens_per_second(self) -> float:
        """The training speed of all ranks together."""
        return self.tokens_per_step / self.seconds_per_step

    @property
    def tokens_per_parameter(self) -> float:
        """Tokens read during the run for each parameter (`scaling.OPTIMAL` spends a given compute best)."""
        return self.data.tokens_seen / self.n_parameters

    @property
    def uniform_loss(self) -> float:
        """ln V: the loss, in nats per token, of guessing every token with the same probability. Training starts near
        it."""
        return math.log(self.recipe.model.vocab_size)

    @property
    def flops(self) -> float:
        """FLOPs of the whole run."""
        return self.flops_per_token * self.data.tokens_seen

    @property
    def utilisation(self) -> float:
        """Model FLOPs per second, as a share of the peak that the maker of the devices states."""
        peak_rate = self.hardware.fp32 if self.precision == "fp32" else self.hardware.narrow
        return self.flops / self.seconds / (peak_rate * self.ranks)

    @property
    def fits(self) -> bool:
        """Whether a device has enough memory with the layout of `parallel.*`; without one, if each holds a whole model."""
        return self.divided.peak <= USABLE * self.hardware.memory

    @property
    def fits_sharded(self) -> bool:
        """Whether a device has enough memory if the ranks share weights, gradients and optimizer state (FSDP)."""
        return self.sharded <= USABLE * self.hardware.memory

    @property
    def warnings(self) -> list[str]:
        """What a person should change before training, in sentences."""
        readings, tokens = self.data.readings, self.data.tokens
        if not readings or not tokens or readings <= READINGS:
            return []
        steps, about = max(1, int(READINGS * tokens / self.tokens_per_step)), "" if self.data.exact else "about "
        effect = "the model learns the text by heart" if readings > USELESS else "each further reading helps less"
        return [
            f"Each token of the text would be read {about}{readings:,.0f} times. After {READINGS} readings {effect}: give "
            f"more text, or train for about {steps:,} steps (train.steps={steps})."
        ]

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values for JSON, every setting included."""
        tree = {name: value for name, value in vars(self).items() if name not in ("recipe", "loss")}
        tree = {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in tree.items()
        }
        loss = self.loss and {**asdict(self.loss), "bits_per_byte": self.loss.bits_per_byte}
        named = {name: getattr(self, name) for name in ("n_parameters", "seconds", "flops", "utilisation", "fits")}
        named["warnings"] = self.warnings
        return {**tree, **named, "loss": loss, "recipe": self.recipe.model_dump()}


def plan(recipe: Recipe, hardware: Hardware, ranks: int = 1) -> Plan:
    """The plan of a recipe on `ranks` devices. Raises SettingError if the model or the batch cannot be divided among
    them."""
    layout = recipe.parallel.layout(ranks) if ranks > 1 else Layout()
    index = prepared(recipe)
    vocabulary = index.vocab_size if index else vocabulary_of(recipe.tokenizer)
    recipe = recipe.override(f"model.vocab_size={vocabulary}")
    local = share(recipe, layout.data)
    precision = hardware.precision if recipe.train.precision == "auto" else recipe.train.precision
    traces = traced(local, as_traced(hardware, precision))
    parts = parameters_by_part(recipe.model)
    count = sum(parts.values())
    memory = _memory(traces, local, hardware)
    states = memory.weights + memory.gradients + memory.optimizer
    parted = divided(recipe, local, memory, layout, hardware)
    data = data_of(recipe, index)
    web = isinstance(recipe.corpus, Files)  # the law knows only web text: for other corpora, say what that would give
    text = scaling.effective_tokens(data.tokens_seen, data.tokens if web else None)
    return Plan(
        recipe=recipe, hardware=hardware, ranks=ranks, precision=precision, parameters=parts, memory=memory,
        sharded=memory.peak - states * (1 - 1 / layout.data), cache=_cache(recipe),
        checkpoint=memory.weights + memory.optimizer, data=data,
        flops_per_token=_flops(traces, local, as_traced(hardware, precision)),
        seconds_per_step=_seconds(traces, local, hardware) * parted.share * (1 + parted.bubble) + parted.seconds,
        loss=scaling.band(count, text), divided=parted,
    )  # fmt: skip


def share(recipe: Recipe, ranks: int) -> Recipe:
    """The recipe of one of `ranks` devices, which computes its part of each batch. Raises SettingError."""
    batch, train = recipe.train.batch_size, recipe.train
    if batch % ranks:
        raise SettingError(
            f"--ranks={ranks}: a batch of {batch} sequences cannot be divided evenly among {ranks} devices; "
            "change --ranks, train.micro_batch_size or train.grad_accumulation"
        )
    rows = min(train.micro_batch_size, batch // ranks)
    rows = next(n for n in range(rows, 0, -1) if batch // ranks % n == 0)
    return recipe.override(f"train.micro_batch_size={rows}", f"train.grad_accumulation={batch // ranks // rows}")


def as_traced(hardware: Hardware, precision: str) -> str:
    """The precision to trace with: fp16 in place of a GPU's bf16, because in bf16 a CPU, where the trace runs, keeps
    the attention patterns of short texts and a GPU does not."""
    return precision if hardware.kind == "cpu" or precision == "fp32" else "fp16"


def peak_memory(recipe: Recipe, hardware: Hardware, ranks: int, precision: str) -> float:
    """Peak bytes on each of `ranks` devices."""
    local = share(recipe, ranks)
    return _memory(traced(local, as_traced(hardware, precision)), local, hardware).peak


def _memory(traces: tuple[Trace, ...], recipe: Recipe, hardware: Hardware) -> Memory:
    def of(name: str) -> float:
        return grown(traces, recipe, lambda t: getattr(t, name))

    kept = [of(name) for name in ("weights", "gradients", "optimizer", "activations")]
    process = PROCESS[hardware.kind]
    most = (resident if hardware.kind == "cpu" else peak)(traces, recipe)
    copy = kept[0] + kept[2] if recipe.train.async_checkpoint else 0.0
    whole = most + process + (0.0 if hardware.kind == "cuda" else copy)
    return Memory(*kept, passing=most - sum(kept), process=process, copy=copy, peak=whole)


def _seconds(traces: tuple[Trace, ...], recipe: Recipe, hardware: Hardware) -> float:
    def of(trace: Trace) -> float:
        times = {phase: clock.total(operators, hardware) for phase, operators in trace.operators.items()}
        micro = sum(seconds for phase, seconds in times.items() if phase not in UPDATE)
        passes = recipe.train.mean_batch_size / recipe.train.micro_batch_size
        return micro * passes + sum(times[phase] for phase in UPDATE)

    return grown(traces, recipe, of)


def _flops(traces: tuple[Trace, ...], recipe: Recipe, precision: str) -> float:
    """FLOPs for a token. What checkpointed blocks compute a second time does not count, as is usual."""
    if recipe.train.checkpoint_activations:
        recipe = recipe.override("train.checkpoint_activations=0")
        traces = traced(recipe, precision)
    return grown(traces, recipe, lambda t: t.flops / t.tokens)


def _cache(recipe: Recipe) -> float:
    depths = shallow_depths(recipe)
    if depths is None:
        return cache_bytes(recipe, recipe.model.n_layer)
    return linear(cache_bytes(recipe, depths[0]), cache_bytes(recipe, depths[1]), depths, recipe.model.n_layer)
