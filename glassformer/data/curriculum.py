"""Short sequences first (Press et al., 2021, "Shortformer"; Li et al., 2022, "The stability-efficiency dilemma").

At the start a model learns from its nearest neighbours, and attention costs T^2: rows of 64 tokens teach as much as rows
of 512 and take less time. `train.lengths=64:0.2,128:0.3` cuts the rows of the first fifth of the steps into pieces of 64
tokens, those of the next three tenths into pieces of 128, and leaves the rest whole. With every sampler a step reads the
same tokens in the same order; only how far back a token can look changes.
"""

from dataclasses import dataclass

from glassformer.data.batches import Batch, Batches
from glassformer.data.pace import Pace
from glassformer.errors import SettingError


def stages(lengths: str) -> list[tuple[int, float]]:
    """What "64:0.2,128:0.3" means: (length, share of the steps), in order. Raises ValueError with a sentence."""
    found = []
    for stage in filter(None, lengths.replace(" ", "").split(",")):
        length, _, share = stage.partition(":")
        try:
            found.append((int(length), float(share)))
        except ValueError:
            found.append((0, 0.0))
        if found[-1][0] < 1 or not 0 < found[-1][1] <= 1:
            raise ValueError(f"'{stage}' is not length:share-of-the-steps; write for example 64:0.2,128:0.3")
    if sum(share for _, share in found) > 1 + 1e-9:
        raise ValueError(f"the shares of '{lengths}' add up to more than 1; leave some steps for the whole context")
    return found


@dataclass(frozen=True)
class Lengthening:
    """Batches whose rows are cut to the length of their stage. Like them it is a pure function of the step."""

    batches: Batches
    pace: Pace
    ends: tuple[tuple[int, float], ...]  # (length, the share of the run after which its stage ends), in order

    def __call__(self, step: int, rank: int = 0, ranks: int = 1) -> Batch:
        """See Batches."""
        batch = self.batches(step, rank, ranks)
        position, steps = self.pace.position(step), self.pace.known(step)
        length = next((length for length, end in self.ends if position < round(end * steps)), batch.ids.shape[1])
        return batch.cut(length)


def lengthening(batches: Batches, lengths: str, context_length: int, pace: Pace) -> Batches:
    """`batches` under the schedule `lengths` of a run at this pace. Raises SettingError for a length that does not fit."""
    share, ends = 0.0, []
    for length, part in stages(lengths):
        if context_length % length:
            raise SettingError(
                f"train.lengths: rows of {context_length} tokens cannot be cut into pieces of {length}; take a length "
                f"that divides model.context_length"
            )
        share += part
        ends.append((length, share))
    return Lengthening(batches, pace, tuple(ends)) if ends else batches
