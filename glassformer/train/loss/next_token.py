"""Next-token prediction: the cross-entropy of each target (Shannon, 1951; Bengio et al., 2003).

    nats(t) = -ln p(target_t | ids_1 ... ids_t)
"""

from torch import Tensor, nn

from glassformer.data.batches import Batch
from glassformer.train.loss import Loss


class NextToken(Loss):
    """In training mode the model adds its auxiliary losses (load balancing, multi-token prediction)."""

    def nats(self, model: nn.Module, batch: Batch) -> Tensor:
        """(B, T), 0 where the target is IGNORED."""
        return model(batch.ids, targets=batch.targets, documents=batch.documents)
