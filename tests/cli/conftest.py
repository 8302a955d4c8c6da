"""A finished run that every test of the command line may look at; one that changes it works on a copy."""

import sys

import pytest

from glassformer import cli

from .small import SMALL


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with a tiny finished run in runs/tiny."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["glass", "train", "village", *SMALL, "--name", "tiny"])
        with pytest.raises(SystemExit, match="^0$"):
            cli.main()
    return folder
