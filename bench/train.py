"""Training tokens per second beside the peers, one process, interleaved rounds, same shape, same kind of precision.

    python bench/train.py [--shape small] [--peers FOLDER] [--compile]

Peers: Hugging Face `transformers` (installed with the tests), and nanoGPT and nanochat if FOLDER holds their clones under
those names. Each step is a whole one: forward, backward, clipping, the peer's own AdamW (nanochat: its own MuonAdamW is
replaced by torch's AdamW, so that all do the same work). Every model runs in fp32 and under bf16; the best of its own
formats counts, as a user would choose. Prints medians, ratios, the share of the machine's own rate of bf16 products that a
step reaches (PaLM's count of operations: 6 a weight and 12 L C T of attention for each token, Chowdhery et al., 2022), and
one JSON line per claim.
"""

import argparse
import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from measure import claim, taking_turns

from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.train.optimizer import Optimizer, set_learning_rate

SHAPES = {  # layers, heads, width, context, batch, vocabulary
    "baby": (4, 4, 128, 64, 12, 65),
    "small": (6, 6, 384, 256, 16, 65),
    "gpt2": (12, 12, 768, 256, 2, 50304),
}
TARGETS = {"baby": 1.3, "small": 1.3, "gpt2": 1.8}
Step = Callable[[], None]


def ours(shape: tuple[int, ...], dtype: torch.dtype, ids: torch.Tensor, targets: torch.Tensor) -> Step:
    """GPT-2's parts, through the package's own model, loss, clipping and optimizer."""
    layers, heads, width, context, _, vocabulary = shape
    config = GPTConfig(
        vocab_size=vocabulary, context_length=context, n_layer=layers, n_head=heads, n_embd=width,
        position="learned", norm="layernorm", mlp="gelu",
    )  # fmt: skip
    model = GPT(config).train()
    kernels, parameters = model.kernels, list(model.parameters())
    optimizer = Optimizer.named("adamw").build(model)
    set_learning_rate(optimizer, 1e-3)

    def step() -> None:
        with _autocast(dtype):
            nats = model(ids, targets=targets)
        (nats.sum() / int((targets != IGNORED).sum())).backward()
        kernels.clip(parameters, 1.0)
        optimizer.step()
        model.zero_grad(set_to_none=True)

    return step


def _autocast(dtype: torch.dtype) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext() if dtype == torch.float32 else torch.autocast("cpu", dtype)


def _torch_step(model: torch.nn.Module, loss: Callable[[], torch.Tensor], dtype: torch.dtype, optimizer=None) -> Step:
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)

    def step() -> None:
        with _autocast(dtype):
            value = loss()
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def huggingface(shape, dtype, ids, targets, compiled, peers) -> Step:
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, heads, width, context, _, vocabulary = shape
    config = GPT2Config(
        vocab_size=vocabulary, n_positions=context, n_embd=width, n_layer=layers, n_head=heads, use_cache=False,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).train()
    run = torch.compile(model) if compiled else model

    def loss() -> torch.Tensor:
        logits = run(input_ids=ids).logits
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    return _torch_step(model, loss, dtype)


def nanogpt(shape, dtype, ids, targets, compiled, peers) -> Step:
    module = _load("nanogpt_model", peers / "nanoGPT" / "model.py")
    layers, heads, width, context, _, vocabulary = shape
    with contextlib.redirect_stdout(io.StringIO()):
        model = module.GPT(
            module.GPTConfig(
                block_size=context,
                vocab_size=vocabulary,
                n_layer=layers,
                n_head=heads,
                n_embd=width,
                dropout=0.0,
                bias=False,
            )
        ).train()
        optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.95), "cpu")
    run = torch.compile(model) if compiled else model
    return _torch_step(model, lambda: run(ids, targets)[1], dtype, optimizer)


def nanochat(shape, dtype, ids, targets, compiled, peers) -> Step:
    os.environ["NANOCHAT_DTYPE"] = "bfloat16" if dtype == torch.bfloat16 else "float32"
    for name in [name for name in sys.modules if name.startswith("nanochat")]:
        del sys.modules[name]  # its precision is fixed when it is imported
    sys.path.insert(0, str(peers / "nanochat"))
    with contextlib.redirect_stdout(io.StringIO()):
        from nanochat.gpt import GPT as Nanochat
        from nanochat.gpt import GPTConfig as NanochatConfig
    sys.path.pop(0)
    layers, heads, width, context, _, vocabulary = shape
    config = NanochatConfig(
        sequence_len=context, vocab_size=vocabulary, n_layer=layers, n_head=heads, n_kv_head=heads, n_embd=width,
        window_pattern="L",
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        model = Nanochat(config)
        model.init_weights()
    run = torch.compile(model.train()) if compiled else model.train()
    return _torch_step(model, lambda: run(ids, targets), torch.float32)


def _load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


PEERS = {"HF": huggingface, "nanoGPT": nanogpt, "nanochat": nanochat}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=[*SHAPES, "all"], default="small")
    parser.add_argument("--peers", type=Path, help="folder with clones of nanoGPT and nanochat")
    parser.add_argument("--compile", action="store_true", help="also the compiled peers (half a minute each to start)")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(min(2, os.cpu_count() or 1))
    for name in SHAPES if arguments.shape == "all" else [arguments.shape]:
        compare(name, arguments)


def compare(name: str, arguments: argparse.Namespace) -> None:
    """Measure one shape, print its table and its claim."""
    shape = SHAPES[name]
    context, batch, vocabulary = shape[3:]
    torch.manual_seed(0)
    ids, targets = torch.randint(vocabulary, (2, batch, context))
    runners: dict[str, Step] = {}
    for dtype, label in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
        runners[f"ours {label}"] = ours(shape, dtype, ids, targets)
        for peer, make in PEERS.items():
            for compiled in (False, True) if arguments.compile else (False,):
                if peer == "HF" or (arguments.peers and (arguments.peers / peer).is_dir()):
                    title = f"{peer} {label}" + (" compiled" if compiled else "")
                    runners[title] = make(shape, dtype, ids, targets, compiled, arguments.peers)
    products = torch.randn(2, 4096, 1024).bfloat16(), torch.randn(2, 1024, 4096).bfloat16()
    runners["products"] = lambda: torch.bmm(*products)
    seconds = taking_turns(runners, arguments.rounds, uncounted=1)  # the first round compiles and warms up
    rate = 2 * 2 * 4096 * 1024 * 4096 / seconds.pop("products")
    speed = {title: batch * context / each for title, each in seconds.items()}
    print(f"\n{name}: layers, heads, width, context, batch, vocabulary = {shape}")
    best_peer = max((t for t in speed if not t.startswith("ours")), key=lambda t: speed[t])
    for title, tokens in sorted(speed.items(), key=lambda item: -item[1]):
        print(f"  {title:24} {tokens:10,.0f} tokens/s   {tokens / speed[best_peer]:.2f} x best peer")
    best = max(v for t, v in speed.items() if t.startswith("ours"))
    theirs = speed[best_peer]
    layers, _, width = shape[:3]
    operations = 6 * (12 * layers * width**2 + vocabulary * width) + 12 * layers * width * context  # for each token
    print(f"  ours is {best * operations / rate:.0%} of the rate of bf16 products, {rate / 1e9:,.0f} GFLOP/s")
    claim(f"training tokens/s, {name}", best, theirs, best_peer, TARGETS[name], ratio=best / theirs, digits=None)


if __name__ == "__main__":
    main()
