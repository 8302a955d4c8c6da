"""Sampler: which tokens of a split a training step reads, and in what rows.

    windows    random windows, documents or not: the simplest, and what most models are trained on
    epochs     the same windows one after another, shuffled: each token is a target exactly once an epoch
    packed     whole documents side by side in a row, none of which sees another
    buckets    whole documents, one a row, beside others of similar length

What `build` returns is a pure function of the step, and of which rows are asked for (data/batches.py).
"""

import abc

from glassformer.config import Variant
from glassformer.data.batches import Batches
from glassformer.data.mixture import Mixture
from glassformer.data.shards import Split


class Sampler(Variant):
    """Builds a function from a step to its batch."""

    @abc.abstractmethod
    def build(
        self, split: Split, context_length: int, batch_size: int, seed: int = 0, mixture: Mixture | None = None
    ) -> Batches:
        """The batches of a run: `batch_size` rows of `context_length` tokens over all ranks, or as many tokens.

        With a `mixture` each source gives its share of the tokens; without one the documents count as one source.
        Raises DatasetError for a split that is too short.
        """
