"""What every test shares: the command line, a fixed number of threads (sums are alike everywhere), quiet property tests."""

import os
import sys

import pytest
from hypothesis import HealthCheck, settings

# Read when torch or numba is imported. One thread beside other processes of the same suite, two when there are none.
threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} if "PYTEST_XDIST_WORKER" in os.environ else {}
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, threads.get(variable, "2"))

# Shared machines are slow now and then: no deadline. CI draws the same examples every time; at a desk they vary.
quiet = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("desk", **quiet)
settings.register_profile("ci", derandomize=True, database=None, **quiet)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture
def glass(monkeypatch, capsys, tmp_path):
    """Call `glass` with these words in an empty folder; gives (exit code, what it printed, what it complained)."""
    from glassformer import cli

    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["glass", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capsys.readouterr()
        return code, out, err

    return call


def pytest_collection_modifyitems(items):
    """The longest test comes first: beside the others it takes no time, and at the end everybody would wait for it."""
    items.sort(key=lambda item: item.name != "test_types_agree")
