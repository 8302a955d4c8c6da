"""The compiled loops of `kernels/_rows_cpu.py` beside PyTorch's operators, in bf16 at `mini`'s shapes: python bench/rows.py

Milliseconds of CPU time of one thread, forward and backward, the best of many in turns. CPU time says the same beside other
programs, as far as they leave the memory alone.
"""

import json
import time
from collections.abc import Callable

import torch
from torch import Tensor

from glassformer.kernels import _rows, cross_entropy, gelu, rms_norm, rope, swiglu

ROUNDS = 15


def both(tensors: list[Tensor], call: Callable[..., Tensor | tuple[Tensor, ...]]) -> Callable[[], None]:
    """A forward and a backward pass."""
    leaves = [t.detach().requires_grad_() for t in tensors]

    def work() -> None:
        found = call(*leaves)
        found = found if isinstance(found, tuple) else (found,)
        torch.autograd.grad(found, leaves, [torch.ones_like(t) for t in found])

    return work


def contestants() -> dict[str, Callable[[], None]]:
    """Each formula at the shapes of `mini` (16 rows of 256 tokens)."""
    wide, heads = torch.randn(16, 256, 512), torch.randn(16, 256, 4, 48)
    logits, targets = torch.randn(4096, 2048).bfloat16(), torch.randint(2048, (4096,))
    gates, turned = [wide.bfloat16(), wide.bfloat16()], [heads.bfloat16().transpose(1, 2)] * 2
    angles, stream, gain = rope.angles(torch.arange(256), 48, 1e4), torch.randn(16, 256, 192), torch.ones(192)
    return {
        "cross-entropy": both([logits], lambda z: cross_entropy.fused(z, targets)),
        "SwiGLU": both(gates, swiglu.fused),
        "RoPE of q and k": both(turned, lambda q, k: rope.fused(q, k, angles)),
        "RMSNorm": both([stream, gain], rms_norm.fused),
        "GELU": both([gates[0]], gelu.fused),
    }


def main() -> None:
    torch.set_num_threads(1)
    compared = contestants()
    best: dict[str, dict[str, float]] = {name: {} for name in compared}
    modules = (cross_entropy, swiglu, rope, rms_norm, gelu)
    for _ in range(ROUNDS):
        for label, serves in (("operators", lambda *tensors, dtypes=(): False), ("loops", _rows.serves)):
            for module in modules:
                module.serves = serves  # type: ignore[attr-defined]
            for name, work in compared.items():
                work()
                started = time.process_time()
                work()
                taken = 1000 * (time.process_time() - started)
                best[name][label] = min(taken, best[name].get(label, taken))
    for name, found in best.items():
        print(f"{name:16} operators {found['operators']:6.2f} ms   loops {found['loops']:6.2f} ms   "
              f"{found['operators'] / found['loops']:.1f} x")  # fmt: skip
    print(json.dumps(best))


if __name__ == "__main__":
    main()
