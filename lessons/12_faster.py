# %% [markdown]
# # 12 · Faster
#
# The same numbers in less time: compute on whole arrays, find out where the time goes, fuse steps, use batches, and keep weights in fewer bits.

# %%
import dataclasses
import math
import time
from collections import Counter

import torch

from glassformer.corpora.village import Village
from glassformer.kernels import attention, fused, plain, rms_norm
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, Q, bars, canvas
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped

torch.set_grad_enabled(False)
checkpoint = load(run_or_shipped("village-mini"))
model, tokenizer = checkpoint.model(), checkpoint.tokenizer()
story = Village().story("validation", 1).text
row = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(story)][: sized(300, 40)]])


def milliseconds(act, times: int = sized(15, 2)) -> float:
    """The shortest of several times. Other programs can only make a measurement longer, so the shortest is the best one."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return 1000 * min(found)


# %% [markdown]
# ## Vectorise
#
# RMSNorm for the 300 tokens of a story. Once as loops over Python numbers, once as the formula on the whole tensor.

# %%
x, weight = model.embed(row)[0], model.blocks[0].mixer_norm.weight


def by_loops(x: list[list[float]], weight: list[float]) -> list[list[float]]:
    """RMSNorm, one number at a time."""
    result = []
    for vector in x:
        size = math.sqrt(sum(value * value for value in vector) / len(vector) + 1e-6)
        result.append([value / size * gain for value, gain in zip(vector, weight)])
    return result


numbers, gains = x.tolist(), weight.tolist()
assert torch.allclose(torch.tensor(by_loops(numbers, gains)), rms_norm.plain(x, weight), atol=1e-5)
guess = predict("How many times faster is the formula on the whole tensor?")

# %%
loops, whole = milliseconds(lambda: by_loops(numbers, gains), 3), milliseconds(lambda: rms_norm.plain(x, weight))
guess.was(round(loops / whole), f"{loops:.1f} ms against {whole:.3f} ms. Python needs dozens of machine instructions to find out what `a * b` means; a tensor operation finds it out once for {x.numel():,} numbers.")

# %% [markdown]
# ## Profile: where does the time go?
#
# Whoever speeds up what they *believe* to be slow usually wastes their time. All maths of the model passes through the table of kernels, so a stopwatch fits around every formula.

# %%
spent, calls = Counter(), Counter()


def timed(name: str, formula):
    """The formula with a stopwatch."""
    def run(*args, **kwargs):
        began = time.perf_counter()
        result = formula(*args, **kwargs)
        spent[name] += time.perf_counter() - began
        calls[name] += 1
        return result
    return run


def watched(kernels):
    """The same table, every formula with a stopwatch."""
    return dataclasses.replace(kernels, **{f.name: timed(f.name, getattr(kernels, f.name)) for f in dataclasses.fields(kernels)})


guess = predict("Which formula takes most of the time in reading a story of 300 tokens?", ["linear (matrix products)", "attention", "rms_norm", "swiglu"])

# %%
slow = checkpoint.model(kernels=watched(fused()))
for _ in range(sized(10, 1)):
    slow(row)
spent.clear(), calls.clear()
for _ in range(sized(10, 1)):
    slow(row)
rounds = sized(10, 1)
top = spent.most_common(7)
figure, axes = canvas(7, 2.6)
bars(axes, [f"{name} ({calls[name] // rounds}x)" for name, _ in top], [1000 * seconds / rounds for _, seconds in top], title="Milliseconds in each formula for one story")
picture(figure)

# %% tags=["prose"]
first, seconds = top[0]
guess.was({"linear": "linear (matrix products)"}.get(first, first), f"It takes {seconds / sum(spent.values()):.0%} of the time in formulas, in {calls[first] // rounds} calls. Matrix products are what computers do best: here is where they should spend their time.")

# %% [markdown]
# ## Fuse
#
# Each operation on a tensor reads it from memory and writes it back. For simple arithmetic that takes longer than the arithmetic. A **fused** kernel does several steps while the numbers are at hand. Every formula of this package has both: `plain`, which you can read, and
# `fused`, which is fast; the tests compare them.

# %%
def heads(T: int):
    """Queries, keys and values of the first layer, for the story repeated to T tokens: (1, H, T, D) each."""
    mixer, y = model.blocks[0].mixer, model.blocks[0].mixer_norm(model.embed(row.repeat(1, T // row.shape[1] + 1)[:, :T]))
    return [p(y).unflatten(-1, (-1, mixer.head_dim)).transpose(1, 2) for p in (mixer.q_proj, mixer.k_proj, mixer.v_proj)]


lengths = sized([64, 256, 1024], [64])
times = {kind: [milliseconds(lambda T=T, f=f: f(*heads(T)), sized(5, 1)) for T in lengths] for kind, f in (("plain", attention.plain), ("fused", attention.fused))}
figure, axes = canvas(7, 2.6)
for (kind, line), colour in zip(times.items(), (ACCENT, Q)):
    axes.loglog(lengths, line, "o-", color=colour, label=kind)
axes.set(xlabel="tokens", ylabel="milliseconds", title="Attention, written out and fused")
axes.set_xticks(lengths, [f"{T:,}" for T in lengths])
axes.legend()
picture(figure)
readable = checkpoint.model(kernels=plain())
entire = {"plain": milliseconds(lambda: readable(row)), "fused": milliseconds(lambda: model(row))}
say(f"The whole model reads the story in {entire['plain']:.1f} ms with plain formulas and in {entire['fused']:.1f} ms with fused ones, and the scores differ by at most {(readable(row) - model(row)).abs().max():.0e}. "
    "Plain attention also holds the whole (T, T) matrix in memory; the fused one never does.")

# %% [markdown]
# ## Batches
#
# When a model writes, it reads *all* its weights from memory for a single token. Whether it multiplies them with one token or with sixteen hardly matters.

# %%
guess = predict("Writing one token for 16 texts at once: how many times as many tokens per second as for one text?")

# %%
def tokens_per_second(n: int) -> float:
    """The speed of one decoding step for n texts at once."""
    caches = [model.make_cache(n, 64) for _ in range(sized(8, 2))]
    for cache in caches:
        model(row[:, :32].repeat(n, 1), cache=cache.at(list(range(n))))
    ready = iter(caches)
    return 1000 * n / milliseconds(lambda: model(row[:, 32:33].repeat(n, 1), cache=next(ready).at(list(range(n)))), sized(8, 2))


together = sized([1, 2, 4, 8, 16, 32], [1, 2])
speed = [tokens_per_second(n) for n in together]
figure, axes = canvas(7, 2.6)
axes.plot(together, speed, "o-", color=Q)
axes.set(xlabel="texts at once", ylabel="tokens per second", ylim=0, title="Reading the weights once for many texts")
picture(figure)

# %% tags=["prose"]
at = together.index(16) if 16 in together else -1
guess.was(round(speed[at] / speed[0], 1), f"{speed[0]:,.0f} tokens per second alone, {speed[at]:,.0f} together. This is why a service that serves many people is cheaper per person than the model on your desk.")

# %% [markdown]
# ## Build it
#
# **Quantize**: keep each weight in fewer bits. For each row of a matrix, find the largest weight, and divide the range from minus it to plus it into a few steps. Then a weight is a small whole number, and each row keeps one number for the size of its steps.
# With 8 bits the whole numbers go from -127 to 127, in general from -m to m with m = 2^(bits - 1) - 1. (`w.abs().amax(1, keepdim=True)` is the largest of each row.)
#
# Put your lines in place of `return ...`. The folded cell holds a function that works, which takes over where the three dots are still there.

# %%
def quantized(w: torch.Tensor, bits: int) -> torch.Tensor:
    """w (n_out, n_in), rounded to 2^bits - 1 equal steps in each row."""
    return ...

# %% tags=["solution"]
def one_that_works(w: torch.Tensor, bits: int) -> torch.Tensor:
    most = 2 ** (bits - 1) - 1  # 8 bits: -127 to 127
    step = w.abs().amax(1, keepdim=True) / most
    return (w / step).round().clamp(-most, most) * step


if quantized(torch.ones(1, 1), 8) is ...:
    quantized = one_that_works

# %%
w = model.blocks[0].mlp.up_proj.weight
for bits in (8, 4, 2):
    print(f"{bits} bits: the weights change by {((quantized(w, bits) - w).norm() / w.norm()):.1%}; a row has at most {len(quantized(w, bits)[0].unique())} different values")

# %% [markdown]
# ## Put it into the real model
#
# We round all matrices of the trained model, and let it read the story.

# %%
def loss_at(change) -> float:
    """The loss of the trained model after `change` was applied to every matrix of its blocks and its embedding."""
    other = checkpoint.model()
    for p in other.parameters():
        if p.ndim == 2:
            p.copy_(change(p))
    return other(row[:, :-1], targets=row[:, 1:]).mean().item()


exact = loss_at(lambda w: w)
guess = predict(f"In 32 bits the loss is {exact:.3f}. Down to how many bits per weight does it stay below {exact + 0.1:.2f}?", ["8", "6", "4", "3", "2"])

# %%
widths = sized([8, 6, 5, 4, 3, 2], [8, 2])
losses = [loss_at(lambda w, bits=bits: quantized(w, bits)) for bits in widths]
figure, axes = canvas(7, 2.6)
axes.plot(widths, losses, "o-", color=ACCENT)
axes.axhline(exact, color="#8a8f99", linestyle="--", linewidth=1)
axes.invert_xaxis()
axes.set(xlabel="bits for each weight", ylabel="loss (nats per token)", title="How few bits are enough?", ylim=0)
picture(figure)

# %% tags=["prose"]
enough = [bits for bits, loss in zip(widths, losses) if loss < exact + 0.1]
guess.was(str(min(enough)) if enough else "none", f"{', '.join(f'{loss:.2f} at {bits} bits' for bits, loss in zip(widths, losses))}. At 8 bits the model is a quarter of its size in 32 bits, and since writing is a matter of reading weights, it can write up to four times as fast.")

# %% [markdown]
# ## Break it
#
# Why a step for each *row*? Because of outliers. We use one step for the whole matrix, and then make a single weight fifty times as large as any other.

# %%
def one_step(w: torch.Tensor, bits: int) -> torch.Tensor:
    """The same with one step for the whole matrix."""
    return quantized(w.flatten()[None], bits).view_as(w)


def with_outlier(rule, bits: int):
    """Round a matrix in which one weight is very large, and put that weight back afterwards."""
    def change(w: torch.Tensor) -> torch.Tensor:
        spoiled = w.clone()
        spoiled[0, 0] = 50 * w.abs().max()
        rounded = rule(spoiled, bits)
        rounded[0, 0] = w[0, 0]
        return rounded
    return change


guess = predict("With 8 bits, one step for the whole matrix and one outlier in each: is the loss still good?", ["yes, as before", "a little worse", "ruined"])

# %%
results = {"a step for each row": loss_at(lambda w: quantized(w, 8)), "one step": loss_at(lambda w: one_step(w, 8)),
           "a step for each row, with an outlier": loss_at(with_outlier(quantized, 8)), "one step, with an outlier": loss_at(with_outlier(one_step, 8))}
figure, axes = canvas(7, 2)
bars(axes, list(results), list(results.values()), colour=ACCENT, title="Loss with 8 bits")
picture(figure)

# %% tags=["prose"]
ruin = results["one step, with an outlier"]
guess.was("ruined" if ruin > 3 * exact else "a little worse" if ruin > exact + 0.02 else "yes, as before", "The outlier takes the whole range, and all other weights share the few steps near 0. With a step for each row, only one row suffers. Large models have such outliers, and much of the art of quantization is about them.")

# %% [markdown]
# ## Three experiments
#
# 1. Round only the embedding, then only the attention, then only the MLPs to 3 bits. Which part bears it least?
# 2. Profile `checkpoint.model(kernels=watched(plain()))`. Which formula has lost most against its fused twin?
# 3. Measure `tokens_per_second` for 64 and 128 texts. Where does the curve bend, and what is the limit there?
#
# ## Where the real code is
#
# - [kernels/](../glassformer/kernels/): a plain and a fused twin in every file.
# - [generate/engine.py](../glassformer/generate/engine.py): many texts in one batch, joining and leaving.
# - [bench/](../bench/README.md): what was measured beside other tools, each number with its command.
#
# Next: `./glass lessons open 13`, your own text.
