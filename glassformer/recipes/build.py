"""From a recipe to the things that it names: its dataset, model, batches, kernels and device."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

import torch
from torch import nn

from glassformer import kernels
from glassformer.config import variants
from glassformer.config.user_files import blaming
from glassformer.corpora import Corpus
from glassformer.corpora.files import Files
from glassformer.data.batches import Batch, Batches
from glassformer.data.curriculum import lengthening
from glassformer.data.growth import growing, growth
from glassformer.data.mixture import mixture
from glassformer.data.pace import Pace
from glassformer.data.prepare import Progress, fingerprint, prepare
from glassformer.data.shards import Dataset
from glassformer.errors import SettingError
from glassformer.kernels import flex
from glassformer.model.gpt import GPT
from glassformer.model.head import HasAuxiliaryLoss
from glassformer.parallel import parallelize, weights
from glassformer.parallel.world import ALONE, World
from glassformer.recipes.presets import Recipe
from glassformer.recipes.rehearsal import rehearse_text
from glassformer.runs.checkpoint import Checkpoint
from glassformer.tokenizers import Tokenizer, TokenizerRecipe
from glassformer.train.activations import checkpoint_activations
from glassformer.train.loss import Loss
from glassformer.train.loss.next_token import NextToken
from glassformer.train.vectors import start_from_vectors

Say = Callable[[str], None]
"""Tells a person one line about what is going on."""


@dataclass(frozen=True)
class Parts:
    """What a training is made of; the model is on its device."""

    recipe: Recipe
    data: Dataset
    model: GPT
    batches: Callable[[int], Batch]
    """The batch of a step; of several processes, the rows of this one."""
    loss: Loss
    called: nn.Module
    """What training calls: the model, or what divides it over several processes."""
    world: World = ALONE

    def at(self, pace: Pace) -> "Parts":
        """The same parts for another pace, on which the sources of the rows, their number and lengths may depend."""
        train = self.recipe.train
        depend = train.lengths or train.batches or len(self.data.index.sources) > 1
        return replace(self, batches=reading(self.recipe, self.data, pace, self.world)) if depend else self


def build(
    recipe: Recipe, data: Dataset, say: Say, saved: Checkpoint | None = None, world: World = ALONE
) -> Parts:
    """The parts of a recipe on its dataset: with the weights of the checkpoint `saved`, or fresh from the recipe's seed.

    In a `world` of several processes the model is divided over them. Raises SettingError or DatasetError for a recipe that
    does not fit its dataset, this machine or the world.
    """
    recipe = sized(recipe, data)
    device = world.device(device_of(recipe.train.device))
    maths = kernels_of(recipe, device, say)
    check_world(recipe, world)
    made = divided_first(recipe, maths, device, world, saved) if world.mesh else None
    if made is None:
        model = build_model(recipe, maths, saved)
        if saved is None and recipe.train.vectors is not None:
            start_from_vectors(model.embedding, data.tokenizer, recipe.train.vectors)
        model = model.to(device)
        made = model, parallelize(model, world.mesh, recipe.parallel) if world.mesh else model
    model, called = made
    check_auxiliary_losses(model, recipe, world)
    called.train()
    rows = reading(recipe, data, Pace.even(recipe.train.steps), world)
    return Parts(recipe, data, model, rows, recipe.train.loss, called, world)


def build_model(recipe: Recipe, maths: kernels.Kernels | None = None, saved: Checkpoint | None = None) -> GPT:
    """The model of a recipe on the CPU: with the weights of the checkpoint `saved`, or fresh from the recipe's seed."""
    if saved is None:
        model = GPT(recipe.model, maths, seed=recipe.train.seed)
    else:
        with torch.device("meta"):
            model = GPT(recipe.model, maths)
        model = saved.fill(model)
    return checkpoint_activations(model, recipe.train.checkpoint_activations)


def divided_first(
    recipe: Recipe, maths: kernels.Kernels, device: torch.device, world: World, saved: Checkpoint | None
) -> tuple[GPT, nn.Module] | None:
    """The model of a recipe, divided before it has its weights, so that no process holds it whole, and what training calls.
    None for a model that each process must build whole first."""
    assert world.mesh is not None
    if not recipe.parallel.shard and world.mesh.layout.tensor == world.mesh.layout.pipeline == 1:
        return None
    with torch.device("meta"):
        model = GPT(recipe.model, maths)
    if recipe.train.vectors is not None or not weights.can_be_divided_first(model, drawn=saved is None):
        return None
    checkpoint_activations(saved.freeze(model) if saved else model, recipe.train.checkpoint_activations)
    tensors = saved.weights(model) if saved else None
    called = parallelize(model, world.mesh, recipe.parallel)
    if tensors is not None:
        weights.read(model, tensors, device)
    else:
        weights.draw(model, recipe.train.seed, device)
    return model, called


def check_world(recipe: Recipe, world: World) -> None:
    """Raises SettingError for settings that several processes cannot keep."""
    if world.mesh is None:
        return
    if recipe.train.memory_gb is not None:
        raise SettingError(
            "train.memory_gb divides the batch of one process; with several, set train.micro_batch_size and "
            "train.grad_accumulation"
        )
    if recipe.train.doctor == "rollback":
        raise SettingError(
            "train.doctor=rollback goes back in one process; with several, set train.doctor=watch, and resume from an "
            "earlier checkpoint by hand"
        )
    if world.mesh.layout.pipeline > 1 and type(recipe.train.loss) is not NextToken:
        raise SettingError(
            f"parallel.pipeline={world.mesh.layout.pipeline} computes the loss in its last stage, and knows "
            f"train.loss=next_token alone; set that, or parallel.pipeline=1 (this recipe has {recipe.train.loss.name})"
        )
    if recipe.train.batch_size < world.mesh.count:
        raise SettingError(
            f"a batch of {recipe.train.batch_size} rows cannot be divided over {world.mesh.count} processes; raise "
            "train.micro_batch_size or train.grad_accumulation, or start fewer processes"
        )


def check_auxiliary_losses(model: GPT, recipe: Recipe, world: World) -> None:
    """Raises SettingError for a model with a loss over the tokens of one pass, if the passes of several processes would be
    others than those of one."""
    count = world.mesh.count if world.mesh else 1
    auxiliary = isinstance(model.head, HasAuxiliaryLoss)
    if (model.routed or auxiliary) and recipe.train.grad_accumulation % count:
        part = f"model.head={recipe.model.head.name}" if auxiliary else f"model.mlp={recipe.model.mlp.name}"
        raise SettingError(
            f"{part} has an auxiliary loss over the tokens of one pass, which another division of the batch would change: "
            f"set train.grad_accumulation to a multiple of {count}, the number of processes that read different rows (and "
            "train.micro_batch_size so that the batch stays as large)"
        )


def sized(recipe: Recipe, data: Dataset) -> Recipe:
    """The recipe with the vocabulary of its dataset's tokenizer; that tokenizer's kind, if the dataset came ready."""
    if is_dataset(recipe.corpus):
        recipe = with_tokenizer(recipe, data.tokenizer)
    absent = [list(bounds) for bounds in data.tokenizer.absent]
    return recipe.override(f"model.vocab_size={data.tokenizer.vocab_size}", f"model.absent={absent}")


def with_tokenizer(recipe: Recipe, tokenizer: Tokenizer) -> Recipe:
    """The recipe with the kind and the settings of a tokenizer that came ready, as far as they are known."""
    if tokenizer.name not in variants(TokenizerRecipe):
        return recipe
    recipe = recipe.override(f"tokenizer={tokenizer.name}")
    facts = {"vocab_size": tokenizer.vocab_size, "pattern": getattr(tokenizer, "pattern", "")}
    known = [name for name in facts if name in type(recipe.tokenizer).model_fields]
    return recipe.override(*(f"tokenizer.{name}={json.dumps(facts[name])}" for name in known))


def dataset(recipe: Recipe, progress: Progress, fresh: bool = False, workers: int | None = None) -> Dataset:
    """The prepared dataset of a recipe, below `data/`; prepared now, or continued, unless it is there.

    A recipe whose corpus is the folder of a dataset, as `glass data import` makes them, has that one.
    """
    if is_dataset(recipe.corpus):
        return Dataset.open(recipe.corpus.path, type(recipe.tokenizer) if recipe.tokenizer.name.endswith(".py") else None)
    folder = dataset_folder(recipe)
    if fresh or not folder.exists():
        rehearse_text(recipe)
    with blaming(recipe, "the text cannot be prepared"):
        return prepare(recipe.corpus, recipe.tokenizer, recipe.data, folder, progress, fresh, workers)


def is_dataset(corpus: Corpus) -> TypeGuard[Files]:
    """Whether the corpus is the folder of a dataset, which is ready as it is."""
    return isinstance(corpus, Files) and (Path(corpus.path).expanduser() / "train-documents.bin").is_file()


def dataset_folder(recipe: Recipe) -> Path:
    """Where the prepared dataset of a recipe lies. Its name holds the fingerprint of the text and of all settings."""
    return Path("data") / f"{stem(recipe)}-{fingerprint(recipe.corpus, recipe.tokenizer, recipe.data)[:8]}"


def stem(recipe: Recipe) -> str:
    """A name for what a recipe reads: the corpus, or the file or folder given; of a long name the beginning."""
    path = Path(recipe.corpus.path).resolve() if isinstance(recipe.corpus, Files) else Path(recipe.corpus.name)
    return path.stem[:48]  # at most 192 bytes, and a name in a file system may have 255


def device_of(name: str) -> torch.device:
    """The device that a recipe asks for. Raises SettingError when it is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present[name]:
        raise SettingError(f"train.device={name}: PyTorch finds no such device on this machine; use auto or cpu")
    return torch.device(name)


def batches(recipe: Recipe, data: Dataset, pace: Pace) -> Batches:
    """What a run of `recipe` reads: its sampler, under its schedules. Raises SettingError or DatasetError."""
    config, T = recipe.train, recipe.model.context_length
    grows = growth(config.batches, pace)
    shares = mixture(config.mixture, data.index.sources, data.index.weights, grows)
    sampler = config.sampler.build(data.train, T, config.batch_size, config.seed, shares)
    return lengthening(growing(sampler, config.batch_size, grows), config.lengths, T, pace)


def reading(recipe: Recipe, data: Dataset, pace: Pace, world: World = ALONE) -> Callable[[int], Batch]:
    """The batch of a step, or the rows of it that this process of a `world` reads."""
    every, mesh = batches(recipe, data, pace), world.mesh
    return every if mesh is None else lambda step: every(step, mesh.rank, mesh.count)


def kernels_of(recipe: Recipe, device: torch.device, say: Say) -> kernels.Kernels:
    """The kernels a recipe trains with, the same in a run and its resume; says so where FlexAttention cannot be used."""
    chosen = recipe.train.plain_kernels
    if recipe.train.kernels == "fused":
        return kernels.with_plain(kernels.fused(), chosen)
    why = flex.missing(device) or ("FlexAttention has no dropout" if recipe.model.dropout else None)
    if why:
        say(f"train.kernels=flexible changes nothing here: {why}")
    return kernels.with_plain(kernels.flexible(), chosen)
