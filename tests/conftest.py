"""What every test shares: two threads, so that sums and timings are alike everywhere, and quiet property tests."""

import os

from hypothesis import HealthCheck, settings

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):  # read when torch or numba is imported
    os.environ.setdefault(variable, "2")

# Shared machines are slow now and then: no deadline. CI draws the same examples every time; at a desk they vary.
quiet = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
settings.register_profile("desk", **quiet)
settings.register_profile("ci", derandomize=True, database=None, **quiet)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
