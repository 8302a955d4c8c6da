"""The settings of training: `train.*` of a recipe."""

from dataclasses import fields
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from glassformer.config import Config, slot, suggestion
from glassformer.data import curriculum, mixture
from glassformer.data.growth import Growth, growth
from glassformer.data.growth import stages as stages_of_batches
from glassformer.data.pace import Pace
from glassformer.data.sampler import Sampler
from glassformer.kernels import Kernels
from glassformer.runs import dashboard
from glassformer.train.loss import Loss
from glassformer.train.optimizer import Optimizer
from glassformer.train.precision import PrecisionName
from glassformer.train.schedule import Schedule

Share = Annotated[float, Field(gt=0, lt=1)]
"""A share of the run: 0.1 is every tenth of it."""


class TrainConfig(Config):
    """How a model is trained."""

    steps: Annotated[PositiveInt, Field(le=10**12)] = 2000
    """Optimizer updates in the run."""
    micro_batch_size: PositiveInt = 16
    """Sequences of model.context_length in one forward pass; lower it if memory runs out."""
    grad_accumulation: PositiveInt = 1
    """Forward passes per update; the batch has micro_batch_size times this many sequences."""
    memory_gb: PositiveFloat | Literal["auto"] | None = None
    """GiB a training may take: the batch is divided into more passes until it fits; auto takes what is free."""
    checkpoint_activations: NonNegativeInt = 0
    """One of so many blocks keeps only its input and computes the rest again; 1: every block, least memory; 0: none."""
    allocator: Literal["system", "keep"] = "system"
    """keep: freed main memory stays with the process, which saves page faults; it takes more of it (Linux with glibc)."""
    sampler: Sampler = slot("windows")
    """Which tokens a step reads, and how they are laid out in rows; evaluation reads documents from their start."""
    lengths: str = ""
    """Train on short rows first: length:share-of-the-steps, such as 64:0.2,128:0.3; the rest uses model.context_length."""
    batches: str = ""
    """Smaller batches first: share-of-the-batch:share-of-the-steps, such as 0.25:0.2,0.5:0.3; the rest uses whole ones."""
    mixture: dict[str, str] = {}
    """Weights of the sources, first>last, such as {"village": "0.9>0.5", "python": "0.1>0.5"}; {} for the dataset's own."""
    loss: Loss = slot("next_token")
    """The loss that training minimises."""
    learning_rate: PositiveFloat = 1e-3
    """The highest learning rate of the run; larger models need a lower one (GPT-2 124M: 6e-4)."""
    optimizer: Optimizer = slot("adamw")
    """How gradients change the weights."""
    schedule: Schedule = slot("cosine")
    """How the learning rate changes over the run."""
    ema: Share | None = None
    """Decay of a moving average of the weights, such as 0.999, which is evaluated and used; null uses the last weights."""
    grad_clip: PositiveFloat = 1.0
    """Maximum gradient norm (over all weights together); larger gradients are scaled down to it."""
    precision: PrecisionName = "auto"
    """Number format of the matrix products; auto times fp32 and bf16 on a CPU, and takes bf16 (or fp16) on a GPU."""
    kernels: Literal["fused", "flexible"] = "fused"
    """How `sliding`, `block_sparse` and `strided` skip pairs; flexible is FlexAttention: CUDA, no dropout, no biases."""
    plain_kernels: tuple[str, ...] = ()
    """Formulas computed by their plain twins, such as attention,rope: those that `glass doctor` finds broken here."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes a CUDA GPU if there is one, else the CPU."""
    eval_every: PositiveInt | Share = 250
    """Steps between evaluations on held-out text; below 1, a share of the run (0.05 evaluates at every twentieth of it)."""
    eval_tokens: PositiveInt = 65_536
    """Held-out tokens read in each evaluation."""
    patience: PositiveInt | None = None
    """Stop early, after this many evaluations in a row without a new lowest held-out loss; null never stops early."""
    sample_every: NonNegativeInt | Share = 250
    """Steps (or share of the run) between samples: texts that the model writes from sample.prompt; 0 for none."""
    checkpoint_every: PositiveInt | Share = 250
    """Steps (or share of the run) between checkpoints; the first step, the last, and each lowest loss always have one."""
    keep_checkpoints: PositiveInt = 2
    """How many of the newest checkpoints to keep; the one with the lowest held-out loss is kept besides."""
    keep_every: PositiveInt | Share | None = None
    """Steps (or share of the run) between checkpoints that are never deleted; null deletes all but the above."""
    async_checkpoint: bool = False
    """Write checkpoints while the training goes on; it takes main memory for a copy of weights and optimizer."""
    snapshots: bool = False
    """Keep the weights (bf16) of steps 0, 1, 2, 4, 8, ... and the last in snapshots/, to look at how a model learns."""
    log_every: PositiveInt = 10
    """Steps between lines of metrics."""
    doctor: Literal["watch", "rollback", "off"] = "watch"
    """watch: say what looks wrong; rollback: also go back to the last checkpoint when the loss spikes; off: neither."""
    watch: tuple[str, ...] = ()
    """Dashboards that show the run as well: tensorboard, wandb, trackio, or several such as tensorboard,wandb."""
    vectors: str | None = None
    """A text file of word vectors (word2vec, GloVe, fastText) from which the embeddings of whole words start."""
    deterministic: bool = False
    """The same bits in every run on the same kind of machine: slower algorithms on a GPU, and nothing chosen by timing."""
    seed: Annotated[NonNegativeInt, Field(le=10**12)] = 1337
    """Seed of the initial weights, the batches and the dropout."""

    @property
    def batch_size(self) -> int:
        """Sequences per update, where the batch is whole."""
        return self.micro_batch_size * self.grad_accumulation

    @property
    def mean_batch_size(self) -> float:
        """Sequences per update, averaged over a run of `steps`, in which smaller batches may come first."""
        return self.growth(Pace.even(self.steps)).read(self.steps) / self.steps * self.batch_size

    def growth(self, pace: Pace) -> Growth:
        """How the batches of a run at this pace grow."""
        return growth(self.batches, pace)

    def accumulation(self, pace: Pace, step: int, passes: int | None = None) -> int:
        """Forward passes of update `step`: fewer than `passes`, those of a whole batch (`grad_accumulation` if it is
        None), where the batch is smaller."""
        return -(-(passes or self.grad_accumulation) // self.growth(pace).at(step)[2])

    @field_validator("watch")
    @classmethod
    def _dashboards(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        chosen = tuple(name.strip() for text in named for name in text.split(",") if name.strip())
        dashboard.check(chosen)
        return tuple(dict.fromkeys(chosen))

    @field_validator("plain_kernels")
    @classmethod
    def _formulas(cls, named: tuple[str, ...]) -> tuple[str, ...]:
        chosen = tuple(name.strip() for text in named for name in text.split(",") if name.strip())
        known = [formula.name for formula in fields(Kernels)]
        for name in set(chosen) - set(known):
            raise ValueError(f"there is no formula '{name}'; {suggestion(name, known)}")
        return tuple(dict.fromkeys(chosen))

    @field_validator("lengths")
    @classmethod
    def _stages(cls, lengths: str) -> str:
        curriculum.stages(lengths)
        return lengths

    @field_validator("batches")
    @classmethod
    def _stages_of_batches(cls, batches: str) -> str:
        stages_of_batches(batches)
        return batches

    @field_validator("mixture")
    @classmethod
    def _weights(cls, schedule: dict[str, str]) -> dict[str, str]:
        mixture.check(schedule)
        return schedule
