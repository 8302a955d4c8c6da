"""From a recipe to the things that it names: its dataset, model, batches, formulas and device."""

from collections.abc import Callable
from pathlib import Path

import torch

from glassformer import kernels
from glassformer.corpora.files import Files
from glassformer.data.batches import Batches
from glassformer.data.curriculum import lengthening
from glassformer.data.mixture import mixture
from glassformer.data.prepare import Progress, fingerprint, prepare
from glassformer.data.shards import Dataset
from glassformer.errors import SettingError
from glassformer.kernels import flex
from glassformer.model.gpt import GPT
from glassformer.recipes.presets import Recipe
from glassformer.train.vectors import start_from_vectors


def dataset(recipe: Recipe, progress: Progress, fresh: bool = False, workers: int | None = None) -> Dataset:
    """The prepared dataset of a recipe, below `data/`; made now, or continued, unless it is there.

    A recipe that reads the folder of a dataset, as `glass data import` makes them, has that one.
    """
    if isinstance(recipe.corpus, Files) and (Path(recipe.corpus.path) / "train-documents.bin").is_file():
        return Dataset.open(recipe.corpus.path, type(recipe.tokenizer) if recipe.tokenizer.name.endswith(".py") else None)
    return prepare(recipe.corpus, recipe.tokenizer, recipe.data, dataset_folder(recipe), progress, fresh, workers)


def dataset_folder(recipe: Recipe) -> Path:
    """Where the dataset that is prepared for a recipe lies: `data/<name>-<hash of all that goes into it>`."""
    return Path("data") / f"{stem(recipe)}-{fingerprint(recipe.corpus, recipe.tokenizer, recipe.data)[:8]}"


def stem(recipe: Recipe) -> str:
    """A name for what a recipe reads: the corpus, or the file or folder given."""
    return (
        Path(recipe.corpus.path).resolve().stem if isinstance(recipe.corpus, Files) else Path(recipe.corpus.name).stem
    )


def device_of(name: str) -> torch.device:
    """The device that a recipe asks for. Raises SettingError when it is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present[name]:
        raise SettingError(f"train.device={name}: torch sees no such device here; use auto or cpu")
    return torch.device(name)


def new_model(recipe: Recipe, data: Dataset, maths: kernels.Kernels) -> GPT:
    """The model that a run starts from."""
    model = GPT(recipe.model, maths, seed=recipe.train.seed)
    if recipe.train.vectors is not None:
        start_from_vectors(model.embedding, data.tokenizer, recipe.train.vectors)
    return model


def batches(recipe: Recipe, data: Dataset) -> Batches:
    """What a run of `recipe` reads: its sampler, under its schedules. Raises SettingError or DatasetError."""
    config, T = recipe.train, recipe.model.context_length
    shares = mixture(config.mixture, data.index.sources, data.index.weights, config.steps)
    sampler = config.sampler.build(data.train, T, config.batch_size, config.seed, shares)
    return lengthening(sampler, config.lengths, T, config.steps)


def kernels_of(recipe: Recipe, device: torch.device, say: Callable[[str], None]) -> kernels.Kernels:
    """The formulas a recipe trains with, the same in a run and its resume; says so where FlexAttention is of no use."""
    if recipe.train.kernels == "fused":
        return kernels.fused()
    why = flex.missing(device) or ("FlexAttention knows no dropout" if recipe.model.dropout else None)
    if why:
        say(f"train.kernels=flexible changes nothing here: {why}")
    return kernels.flexible()
