"""The trained model that comes with the package, and one thread for small tensors."""

import functools

import pytest
import torch

from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import FOLDER


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@functools.cache
def shipped():
    """(model, tokenizer) of village-mini."""
    checkpoint = load(FOLDER / "village-mini")
    return checkpoint.model().eval(), checkpoint.tokenizer()


@pytest.fixture
def village_mini():
    return shipped()
