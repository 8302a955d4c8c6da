"""Recipes: everything a run needs, in one tree of settings. A preset is a function that returns one.

>>> recipe = mini().override("model.position=learned", "train.steps=500")

Read this file first: it names every part of the machine. `glass settings mini` prints a recipe with all its defaults.
"""

import inspect
import sys
from collections.abc import Callable

from glassformer.config import Config, slot, suggestion
from glassformer.corpora import Corpus
from glassformer.data import DataConfig
from glassformer.errors import SettingError
from glassformer.generate.sampling import SamplingConfig
from glassformer.model.gpt import GPTConfig
from glassformer.parallel.config import Parallel
from glassformer.tokenizers import TokenizerRecipe
from glassformer.train.config import TrainConfig


class Sample(SamplingConfig):
    """How the model writes, in samples during training and later."""

    prompt: str = ""
    """The text to continue; empty starts a new document."""


class Recipe(Config):
    """All settings of one run: text, tokenizer, model, training and samples. They are saved with the weights."""

    corpus: Corpus = slot("village")
    """Where the text comes from."""
    data: DataConfig = DataConfig()
    """How documents become a dataset."""
    tokenizer: TokenizerRecipe = slot("bpe")
    """How text becomes ids."""
    model: GPTConfig = GPTConfig()
    """The transformer: its shape, and the variant in each slot."""
    train: TrainConfig = TrainConfig()
    """How the model is trained."""
    parallel: Parallel = Parallel()
    """How the processes that `torchrun` has started divide the work."""
    sample: Sample = Sample()
    """How it writes, in samples during training and later."""


def mini() -> Recipe:
    """3.8M parameters: the demo's model, which writes village stories after minutes on two CPU cores."""
    return Recipe().override(
        "tokenizer.vocab_size=2048",
        *_shape(layers=2, heads=2, width=128, context=512),
        "model.embed=ngram", "model.embed.order=4", "model.head=pointer", "model.norm=layernorm", "model.init=zero",
        "train.steps=1500", "train.sampler=buckets", "train.micro_batch_size=8", "train.learning_rate=0.01",
        "train.optimizer=muon", "train.optimizer.weight_decay=0.02",
        "train.schedule=linear", "train.schedule.min_lr_ratio=0.02",
        "sample.temperature=0.5", "sample.max_new_tokens=400",
    )  # fmt: skip


def village_mini() -> Recipe:
    """2.2M parameters in the parts of Llama and Qwen: the model that comes with the package as village-mini."""
    return _village().override(
        *_shape(layers=4, heads=4, width=192, context=512), "train.steps=10000", "train.learning_rate=4e-3",
    )  # fmt: skip


def village_stories() -> Recipe:
    """9M parameters in the parts of Llama and Qwen: stories of the village, after two hours of one CPU core."""
    return _village().override(
        *_shape(layers=7, heads=5, width=320, context=512), "train.steps=6600", "train.learning_rate=3e-3",
        "train.schedule=wsd", "train.schedule.decay=0.4", "train.schedule.shape=linear", "train.schedule.min_lr_ratio=0.02",
    )  # fmt: skip


def _village() -> Recipe:
    """What the models that come with the package share. Other tools can hold every part of them."""
    return Recipe().override(
        "corpus.megabytes=200", "tokenizer.vocab_size=2048", "tokenizer.reserved=16",
        "model.norm=rmsnorm", "model.mixer.qk_norm=rmsnorm",
        "train.sampler=buckets", "train.micro_batch_size=8", "train.optimizer=muon", "train.optimizer.weight_decay=0.05",
        "train.schedule.min_lr_ratio=0.05", "train.precision=bf16", "train.snapshots=true",
        "train.eval_every=1000", "train.sample_every=1000", "train.checkpoint_every=500",
        "sample.temperature=0.5", "sample.max_new_tokens=400",
    )  # fmt: skip


def python() -> Recipe:
    """14M parameters, on the source of Python's standard library, which is on every machine."""
    return Recipe().override(
        "corpus=python", "tokenizer.vocab_size=8192",
        *_shape(layers=6, heads=6, width=384, context=512),
        "train.steps=5000", "train.micro_batch_size=8", "train.grad_accumulation=2", "train.learning_rate=1e-3",
    )  # fmt: skip


def speedrun() -> Recipe:
    """2M parameters, nearly all in tables of n-grams: what one layer can learn of characters in two seconds."""
    # A table knows at once what follows four letters. LOG.md, "Speedruns", says what each part is worth.
    return Recipe().override(
        "tokenizer=char", "data.validation_fraction=0.1", *_shape(layers=1, heads=2, width=64, context=64),
        "model.embed=ngram", "model.embed.order=5", "model.head=untied", "model.init=zero", "model.mixer.qk_norm=rmsnorm",
        "train.steps=60", "train.micro_batch_size=32", "train.learning_rate=0.012", "train.precision=fp32",
        "train.optimizer=muon", "train.optimizer.weight_decay=0", "train.optimizer.others.weight_decay=0",
        "train.schedule=linear", "train.schedule.warmup_steps=7",
        "train.eval_every=60", "train.eval_tokens=131072", "train.sample_every=0", "train.checkpoint_every=60",
    )  # fmt: skip


def speedrun_tokens() -> Recipe:
    """7M parameters, nearly all in tables of n-grams: what one layer can learn of a larger text in half a minute."""
    return speedrun().override(
        "tokenizer=bpe", "tokenizer.vocab_size=2048", *_shape(layers=1, heads=2, width=128, context=512),
        "model.embed.order=4", "model.embed.rows=16384", "model.head=pointer", "model.norm=layernorm",
        "train.steps=200", "train.sampler=buckets", "train.micro_batch_size=8", "train.precision=auto",
        "train.schedule.warmup_steps=10", "train.eval_every=200", "train.checkpoint_every=200",
        "sample.temperature=0.5", "sample.max_new_tokens=400",
    )  # fmt: skip


def shakespeare() -> Recipe:
    """10M parameters, characters as tokens, dropout: nanoGPT's shape for tinyshakespeare (you need the file)."""
    return Recipe().override(
        "tokenizer=char", *_shape(layers=6, heads=6, width=384, context=256), "model.dropout=0.2",
        "train.steps=5000", "train.micro_batch_size=64", "train.learning_rate=1e-3", "train.optimizer.beta2=0.99",
    )  # fmt: skip


def gpt2() -> Recipe:
    """GPT-2 small, 124M parameters, with the parts of 2019 (Radford et al., 2019)."""
    return Recipe().override(
        "tokenizer.vocab_size=50257", "tokenizer.pattern=gpt2",
        *_shape(layers=12, heads=12, width=768, context=1024),
        "model.bias=true", "model.position=learned", "model.norm=layernorm", "model.mlp=gelu",
        "train.steps=600000", "train.micro_batch_size=12", "train.grad_accumulation=40", "train.learning_rate=6e-4",
        "train.schedule.warmup_steps=2000",
    )  # fmt: skip


def gpt2_medium() -> Recipe:
    """GPT-2 medium, 355M parameters."""
    return gpt2().override(*_shape(layers=24, heads=16, width=1024, context=1024), "train.learning_rate=3e-4")


def gpt2_large() -> Recipe:
    """GPT-2 large, 774M parameters."""
    return gpt2().override(*_shape(layers=36, heads=20, width=1280, context=1024), "train.learning_rate=2.5e-4")


def gpt2_xl() -> Recipe:
    """GPT-2 XL, 1.56B parameters."""
    return gpt2().override(*_shape(layers=48, heads=25, width=1600, context=1024), "train.learning_rate=2e-4")


def gpt2_5() -> Recipe:
    """255M parameters, between GPT-2 and GPT-3, with today's parts: RoPE, RMSNorm, SwiGLU, grouped-query attention."""
    return Recipe().override(
        "tokenizer.vocab_size=32768",
        *_shape(layers=20, heads=16, width=1024, context=2048), "model.n_kv_head=4",
        "train.steps=100000", "train.micro_batch_size=8", "train.grad_accumulation=32", "train.learning_rate=6e-4",
        "train.schedule.warmup_steps=1000",
    )  # fmt: skip


def gpt3() -> Recipe:
    """GPT-3, 175B parameters (Brown et al., 2020, table 2.1), to plan with; training it takes a cluster."""
    return gpt2().override(
        *_shape(layers=96, heads=96, width=12288, context=2048),
        "train.learning_rate=6e-5", "train.steps=95368", "train.micro_batch_size=1", "train.grad_accumulation=1536",
    )  # fmt: skip


def _shape(layers: int, heads: int, width: int, context: int) -> tuple[str, ...]:
    return (
        f"model.n_layer={layers}", f"model.n_head={heads}", f"model.n_embd={width}", f"model.context_length={context}"
    )  # fmt: skip


def presets() -> dict[str, Callable[[], Recipe]]:
    """Every preset of this file by name, smallest first."""
    functions = inspect.getmembers(sys.modules[__name__], inspect.isfunction)
    made = {n: f for n, f in functions if f.__module__ == __name__ and inspect.signature(f).return_annotation is Recipe}
    shown = [(n, f) for n, f in made.items() if n != "named" and not n.startswith("_")]
    return dict(sorted(shown, key=lambda item: item[1].__code__.co_firstlineno))


def named(name: str) -> Recipe:
    """The recipe called `name`. Raises SettingError with a suggestion."""
    if name not in presets():
        raise SettingError(f"there is no recipe '{name}'; {suggestion(name, list(presets()))}")
    return presets()[name]()
