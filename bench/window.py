"""Sliding, block and strided attention beside full causal attention: the same queries, keys and values, taking turns.

    python bench/window.py                        a minute on two cores
    python bench/window.py --length 2048          another length; --window, --heads, --batch, --rounds, --threads
    python bench/window.py --device cuda --dtype bfloat16 --batch 8 --rounds 50

On CUDA every pattern is also timed by FlexAttention (kernels/flex.py): the last line says where it pays
(train.kernels=flexible).

The peer is PyTorch's own fused causal kernel (F.scaled_dot_product_attention), the fastest that looks at everything.
Forward is without gradients; "and backward" is a forward and the gradients of q, k and v. Figures are milliseconds, medians
over rounds. Before anything is timed, values are compared with the masked plain form, row by row where it is long.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from measure import claim, milliseconds
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import attention, block_sparse, flex, sliding_window, strided

TARGET = 5.0
FLEX = ", FlexAttention"


def variants(window: int, device: str) -> dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]]:
    """Name -> the fused kernel, and the rule that says which key a query may see; on CUDA by FlexAttention too."""
    half, quarter = window // 2, window // 4
    found: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {}
    patterns = {
        "sliding": (sliding_window, (window,)),
        "block_sparse": (block_sparse, (half, 1, 1)),
        "strided": (strided, (quarter, half)),
    }
    for name, (kernel, sizes) in patterns.items():
        found[name] = partial(_sized, kernel.fused, sizes), partial(_ruled, kernel.visible, sizes)
        if device == "cuda":
            found[name + FLEX] = partial(flex.attend, rule=kernel.visible, sizes=sizes), found[name][1]
    return found


def _sized(fused: Callable, sizes: tuple[int, ...], q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return fused(q, k, v, *sizes)


def _ruled(visible: Callable, sizes: tuple[int, ...], t: Tensor, s: Tensor) -> Tensor:
    return visible(t, s, *sizes)


def largest_error(fused: Callable, rule: Callable, q: Tensor, k: Tensor, v: Tensor, rows: int = 256) -> float:
    """The largest difference to masked plain attention, `rows` queries at a time so that T x T never lies in memory."""
    with torch.no_grad():
        y, index, off = fused(q, k, v), torch.arange(q.shape[2], device=q.device), 0.0
        for part in index.split(rows):
            expected = attention.plain(q[:, :, part], k, v, visible=rule(part[:, None], index))
            off = max(off, (y[:, :, part] - expected).abs().max().item())
    return off


def finished(run: Callable[[], object], device: str) -> Callable[[], object]:
    """`run`, which returns when the device has done it."""

    def wait() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    return wait


def main() -> None:
    """Check, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("length", 8192), ("window", 256), ("heads", 8), ("head-dim", 64), ("batch", 1), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    shape = (given.batch, given.length, given.heads, given.head_dim)
    kind = {"device": given.device, "dtype": getattr(torch, given.dtype)}
    # transposed, as projections hand them over
    q, k, v = (torch.randn(shape, **kind).transpose(1, 2).requires_grad_() for _ in range(3))
    weight = torch.randn(shape, **kind).transpose(1, 2)

    kinds = variants(given.window, given.device)
    largest_error(*kinds["sliding"], q, k, v)  # PyTorch's first exponential on several threads may be wrong (LOG.md)
    for name, (fused, rule) in kinds.items():
        off = largest_error(fused, rule, q, k, v)
        limit = 0.1 if given.dtype == "bfloat16" else 1e-5 if given.device == "cpu" else 1e-4
        assert off < limit, f"{name} is off by {off:.2g}"
        print(f"{name}: equals masked plain attention within {off:.1e}")

    def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)

    everything = {"full": causal, **{name: fused for name, (fused, _) in kinds.items()}}

    def forward(run: Callable) -> Callable[[], object]:
        return torch.no_grad()(lambda: run(q, k, v))

    def both(run: Callable) -> Callable[[], object]:
        return lambda: torch.autograd.grad(run(q, k, v), (q, k, v), weight)

    for what, make in (("forward", forward), ("forward and backward", both)):
        ms = milliseconds({name: finished(make(run), given.device) for name, run in everything.items()}, given.rounds)
        for name in kinds:
            target = TARGET if (name, what) == ("sliding", "forward") else 0.0
            told = f"{name} {given.window} at T={given.length}, {what}, ms"
            claim(told, ms[name], ms["full"], "causal SDPA", target, digits=2)
    if given.device == "cuda":
        faster = [name for name in kinds if name + FLEX in ms and ms[name + FLEX] < ms[name]]
        print(f"forward and backward, FlexAttention is the faster form of: {', '.join(faster) or 'none'}")


if __name__ == "__main__":
    main()
