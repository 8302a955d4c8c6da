"""Where experiments of the laboratory are made in tests."""

import pytest
import torch


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """An empty folder to work in, and one thread, with which sums come in the same order each time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("workshop"))
        yield patch
    torch.set_num_threads(threads)
