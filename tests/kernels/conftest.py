"""Tensors of a few hundred numbers: a second thread only waits for the first, and on a busy machine for long."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
