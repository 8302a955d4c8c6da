"""Sampler: which tokens of a split a training step reads, and how they are laid out in rows.

    windows    windows that start anywhere, across documents: the simplest, and what most models are trained on
    epochs     windows side by side in a shuffled order: each token is a target exactly once per epoch
    packed     whole documents side by side in a row; attention and loss stay inside each
    buckets    one whole document per row, in batches of documents of similar length

What `build` returns is a pure function of the step and of the rows that are asked for (data/batches.py).

>>> batches = Windows().build(Split.of(ids), context_length=256, batch_size=16, seed=1)
>>> batches(step=0).ids.shape
torch.Size([16, 256])
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

        With a `mixture` each source gives its share of the tokens; without one all documents are one source.
        Raises DatasetError for a split that is too short.
        """
