"""The residual stream: how large it is at each layer, and how much each part adds to it.

    resid_mid = resid_pre + mixer        resid_post = resid_mid + mlp

A part that adds little to a long vector changes little. Where the norms stand decides how the stream grows: with `pre` it
grows from block to block, with `post` it has one length everywhere.
"""

from dataclasses import dataclass

from torch import Tensor

from glassformer.errors import LensError
from glassformer.lens.trace import Trace


@dataclass(frozen=True)
class Part:
    """What one part did to the stream."""

    name: str
    """ "blocks.0.mixer"."""
    added: Tensor
    """(B, T): the length of what it added."""
    before: Tensor
    """(B, T): the length of the stream before."""
    cosine: Tensor
    """(B, T): 1 if it added along the stream, -1 if it took from it."""

    @property
    def share(self) -> Tensor:
        """(B, T): the length of what it added, relative to the stream."""
        return self.added / self.before.clamp(min=1e-30)


def lengths(seen: Trace) -> dict[str, Tensor]:
    """The length (Euclidean norm) of the stream at each place: name -> (B, T), in the order of the layers."""
    return {
        name: seen[name].norm(dim=-1) for name in seen.names("blocks.*.resid_pre", "blocks.*.resid_mid", "*.resid_post")
    }


def parts(seen: Trace) -> list[Part]:
    """What each mixer and MLP added, in order. Raises LensError if the trace does not hold the stream.

    What was added is the difference of the stream, so it is right wherever the norms stand. In a parallel block, where
    there is no stream between the two, it is what each of them gave out.
    """
    found = []
    for layer in range(len(seen.model.blocks)):
        path = f"blocks.{layer}"
        needed = [f"{path}.resid_pre", f"{path}.resid_post", f"{path}.mixer.out", f"{path}.mlp.out"]
        missing = [name for name in needed if name not in seen.values]
        if missing:
            raise LensError(f"this trace does not hold {missing[0]}; trace with keep='*' or name it in keep")
        before, after, mixer, mlp = (seen.values[name] for name in needed)
        middle = seen.values.get(f"{path}.resid_mid")
        if middle is None:
            found += [_part(f"{path}.mixer", before, mixer), _part(f"{path}.mlp", before, mlp)]
        else:
            found += [_part(f"{path}.mixer", before, middle - before), _part(f"{path}.mlp", middle, after - middle)]
    return found


def _part(name: str, before: Tensor, added: Tensor) -> Part:
    length, stream = added.norm(dim=-1), before.norm(dim=-1)
    cosine = (added * before).sum(-1) / (length * stream).clamp(min=1e-30)
    return Part(name, length, stream, cosine)
