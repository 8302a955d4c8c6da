"""What all comparisons of the tests share."""

import pytest

from glassformer.lab.compare import measure

MOST = 1 << 13
"""Bytes of text that a model is judged on: so few that they have to be chosen, and that judging takes no time."""


@pytest.fixture(autouse=True, scope="module")
def little_text(workshop):
    """In every test of this folder."""
    workshop.setattr(measure, "MOST_BYTES", MOST)
