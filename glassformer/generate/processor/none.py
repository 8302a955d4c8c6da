"""The model's own scores."""

from torch import Tensor

from glassformer.generate.processor import Processor


class Nothing(Processor):
    """Changes nothing."""

    ACTS = False

    def process(self, z: Tensor, seen: Tensor) -> Tensor:
        """The same scores."""
        return z
