"""What the batches of a run hold: whether rows come again too soon, whether any target counts, which ids occur.

again      share of a batch's rows that an earlier looked-at batch had; suspicious from a half on, unless the run has
           read about as many tokens as there are
occurring  share of the vocabulary among the tokens read, asked once they are 30 times the vocabulary
"""

import torch
from torch import Tensor

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.train.doctor.finding import Finding

AGAIN = 0.5
ONCE = 0.7
"""A run that has read this share of its tokens may meet rows again."""
READ, OCCURRING = 30, 0.1


class Reading:
    """Takes in the batches that are looked at."""

    def __init__(self, vocab_size: int, n_tokens: int | None) -> None:
        """`vocab_size` counts the ids that a token has; `n_tokens` are those of the training text, if known."""
        self.vocab_size, self.n_tokens = vocab_size, n_tokens
        self.rows: set[int] = set()
        self.times = 0  # looks in a row at a batch of mostly known rows
        self.occurred: Tensor | None = None
        self.read = 0

    def see(self, batch: Batch, counted: int, tokens: int) -> list[Finding]:
        """What is wrong with a batch of which `counted` targets count, after `tokens` tokens of training."""
        if counted == 0:
            return [Finding(
                "no target counts", f"none of the {batch.targets.numel()} targets of a batch counts, so there is no loss",
                "check what sets targets to -100 (IGNORED): the sampler, or the mask of the prompts",
            )]  # fmt: skip
        return [found for found in (self._again(batch, tokens), self._occurring(batch)) if found]

    def _again(self, batch: Batch, tokens: int) -> Finding | None:
        rows = [hash(row.tobytes()) for row in batch.ids.cpu().numpy()]
        known = sum(row in self.rows for row in rows) / len(rows)
        alike = 1 - len(set(rows)) / len(rows)
        self.rows.update(rows)
        early = self.n_tokens is None or tokens < ONCE * self.n_tokens
        self.times = self.times + 1 if early and max(known, alike) >= AGAIN else 0
        if self.times < (2 if self.n_tokens else 3):
            return None
        what = f"{known:.0%} of a batch's rows were in an earlier batch" if known >= AGAIN else (
            f"{alike:.0%} of a batch's rows stand in it more than once")  # fmt: skip
        of = f" of {self.n_tokens:,}" if self.n_tokens else ""
        return Finding(
            "repeated data", f"{what}, after {tokens:,}{of} tokens",
            "check that the sampler's batch depends on the step (`batches(step)`); the model learns these rows by heart",
        )  # fmt: skip

    def _occurring(self, batch: Batch) -> Finding | None:
        if self.occurred is None:
            self.occurred = torch.zeros(self.vocab_size, dtype=torch.bool)
        ids = batch.targets[batch.targets != IGNORED].cpu()
        before, self.read = self.read, self.read + len(ids)
        self.occurred[ids[ids < self.vocab_size]] = True
        if not before < READ * self.vocab_size <= self.read:
            return None
        n = int(self.occurred.sum())
        if n >= OCCURRING * self.vocab_size:
            return None
        return Finding(
            "vocabulary unused", f"only {n:,} of {self.vocab_size:,} ids have occurred in {self.read:,} tokens",
            "the tokenizer was made for another text: train one on this text, or take a smaller tokenizer.vocab_size",
        )  # fmt: skip
