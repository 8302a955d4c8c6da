# %% [markdown]
# # 07 · Training
#
# Where the loss comes from, how gradients change weights, and what learning rate, warmup, clipping, accumulation and bf16 are for.

# %%
import math

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data.batches import Batch
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.kernels import cross_entropy
from glassformer.lessons import picture, predict, sized
from glassformer.lessons.pictures import ACCENT, SOFT, K, Q, V, canvas
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.recipes.presets import named
from glassformer.tokenizers import TokenizerRecipe
from glassformer.train.optimizer import muon, set_learning_rate
from glassformer.train.optimizer.adamw import AdamW
from glassformer.train.optimizer.sgd import SGD
from glassformer.train.schedule.cosine import Cosine

stories = [Village().story("train", i).text for i in range(sized(400, 20))]
tokenizer = TokenizerRecipe.named("char").train(stories)
train = np.concatenate([[tokenizer.end_of_text, *tokenizer.encode(each)] for each in stories])
batches = Sampler.named("windows").build(Split.of(train, tokenizer.end_of_text), context_length=48, batch_size=8, seed=0)
shape = GPTConfig(vocab_size=tokenizer.vocab_size, n_layer=2, n_head=4, n_embd=sized(64, 16), context_length=48)


def fresh() -> GPT:
    """A model that has learned nothing; always the same one."""
    return GPT(shape, seed=0)


# %% [markdown]
# ## The loss
#
# For every place the model gives a probability p to the token that really came, and is charged **-ln p**. This is the **cross-entropy**. It is computed from the scores z (logits) directly:
# the logarithm of the sum of all e^z, minus the score of the right token.

# %%
model, batch = fresh(), batches(0)
with torch.no_grad():
    z = model(batch.ids)[0, 0]
right = batch.targets[0, 0]
print(f"-ln softmax(z)[right] = {-z.softmax(-1)[right].log():.4f}")
print(f"log sum e^z - z[right] = {z.exp().sum().log() - z[right]:.4f}")
print(f"the package's formula  = {cross_entropy.plain(z[None], right[None]).item():.4f},   ln V = {math.log(tokenizer.vocab_size):.4f}")

# %% [markdown]
# ## The gradient
#
# `loss.backward()` computes for *every* weight how the loss changes if that weight grows a little. All these numbers together are the **gradient**. Taking a step against it makes the loss smaller. How far should we go?
# We take one gradient of a fresh model, and try all lengths of the step.

# %%
loss = model(batch.ids, targets=batch.targets).mean()
loss.backward()
weights = [p for p in model.parameters() if p.grad is not None]
length = math.sqrt(sum(p.grad.square().sum().item() for p in weights))
n_weights = sum(p.numel() for p in weights)


@torch.no_grad()
def loss_after(step: float) -> float:
    """The loss of the same batch after one step of this length against the gradient; the weights are put back."""
    for p in weights:
        p.sub_(step * p.grad)
    value = model(batch.ids, targets=batch.targets).mean().item()
    for p in weights:
        p.add_(step * p.grad)
    return value


rates = sized(np.geomspace(1e-3, 30, 25).tolist(), [1e-3, 1.0])
guess = predict(f"The gradient has {n_weights:,} numbers and a length of {length:.2f}. If we go ever further against it, what does the loss do?", ["it falls for ever", "it falls, then rises again", "it falls to 0 and stays there"])

# %%
along = [loss_after(rate) for rate in rates]
figure, axes = canvas(7, 2.8)
axes.semilogx(rates, along, "o-", color=Q, markersize=3)
axes.axhline(loss.item(), color=SOFT, linestyle="--", linewidth=1)
axes.set(xlabel="learning rate (step = learning rate times gradient)", ylabel="loss", title="One step against the gradient", ylim=(min(along) - 0.3, min(max(along), loss.item() + 3)))
picture(figure)

# %% tags=["prose"]
guess.was("it falls, then rises again" if along[-1] > min(along) else "it falls for ever", f"The best step here has the learning rate {rates[int(np.argmin(along))]:.2g}. A gradient is a promise for small steps only: it knows the slope at this place, and not the landscape behind the hill.")

# %% [markdown]
# ## The loop
#
# This is the whole of training. Everything that follows makes these six lines faster or safer. (Optimizers such as **AdamW** divide each weight's gradient by its usual size, so that all weights
# move at a similar pace.)

# %%
model = fresh()
optimizer = AdamW(model.parameters(), lr=1e-2)
for step in range(sized(30, 2)):
    batch = batches(step)
    loss = model(batch.ids, targets=batch.targets).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
print(f"loss {loss.item():.3f} after {step + 1} steps")

# %%
steps, tried = sized(70, 2), sized([1e-4, 1e-3, 1e-2, 1e-1], [1e-3, 1e-1])
guess = predict("We train four models with the learning rates 0.0001, 0.001, 0.01 and 0.1. Which is best after 70 steps?", ["0.0001", "0.001", "0.01", "0.1"])

# %%
curves = {rate: learn(fresh(), batches, steps, rate, "adamw") for rate in tried}
figure, axes = canvas(7, 3)
for (rate, curve), colour in zip(curves.items(), (SOFT, V, Q, K)):
    axes.plot(curve, color=colour, label=f"{rate:g}")
axes.set(xlabel="step", ylabel="loss (nats per character)", title="Learning rates")
axes.legend()
picture(figure)

# %% tags=["prose"]
ends = {rate: float(np.mean(curve[-10:])) for rate, curve in curves.items()}
guess.was(f"{min(ends, key=ends.__getitem__):g}", f"The last losses: {', '.join(f'{end:.2f} (at {rate:g})' for rate, end in ends.items())}. Too small wastes time, too large jumps about. Of all settings the learning rate matters most; `./glass find-lr village` searches it for you.")

# %% [markdown]
# ## Warmup and cosine
#
# At the beginning the gradients are large and point anywhere, and AdamW does not know yet what size is usual. So the learning rate starts near 0 and grows: the **warmup**. At the end small steps
# find the bottom of the valley, so it falls again, usually along a **cosine**.

# %%
schedule = Cosine(warmup_steps=20, min_lr_ratio=0.1)
figure, axes = canvas(7, 2)
axes.plot([schedule.factor(step, 200) for step in range(200)], color=Q)
axes.set(xlabel="step", ylabel="share of the peak", title="Warmup, then a cosine", ylim=(0, 1.05))
picture(figure)

# %% [markdown]
# ## Break it
#
# Real data has accidents: a page of digits, a file of spaces. In the middle of the training we slip in a few batches of the same letter over and over. With **clipping**, a gradient that is longer than 1 is shortened to 1
# before it is used. We train with and without.

# %%
def with_accidents(step: int) -> Batch:
    """Every batch is a good one, but for steps 30 to 32."""
    good = batches(step)
    if step not in (30, 31, 32):
        return good
    letter = torch.full_like(good.ids, int(tokenizer.encode("z")[0]))
    return Batch(letter, letter)


def trained(limit: float, steps: int = sized(70, 2)) -> tuple[list[float], list[float]]:
    """The losses on good batches and the lengths of the gradients, with gradients clipped to `limit`."""
    model, losses, lengths = fresh(), [], []
    optimizer = AdamW(model.parameters(), lr=1e-2)
    for step in range(steps):
        batch = with_accidents(step)
        model(batch.ids, targets=batch.targets).mean().backward()
        lengths.append(model.kernels.clip(list(model.parameters()), limit).item())
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            losses.append(model(batches(999).ids, targets=batches(999).targets).mean().item())
    return losses, lengths


guess = predict("A usual gradient of this model has a length of about 1 after the first steps. How long is the gradient of the first bad batch?")

# %%
clipped, unclipped = trained(1.0), trained(1e9)
figure, axes = canvas(9, 2.8, columns=2)
axes[0].semilogy(unclipped[1], color=ACCENT)
axes[0].set(xlabel="step", title="Length of the gradient before clipping")
axes[1].plot(unclipped[0], color=ACCENT, label="not clipped")
axes[1].plot(clipped[0], color=Q, label="clipped to 1")
axes[1].set(xlabel="step", title="Loss on a good batch")
axes[1].legend()
picture(figure)

# %% tags=["prose"]
worst = unclipped[1][min(30, len(unclipped[1]) - 1)]
guess.was(round(worst, 1), f"A usual one has {float(np.median(unclipped[1])):.1f}. The loss on good text rises to {max(unclipped[0][28:45], default=0):.2f} without clipping and to {max(clipped[0][28:45], default=0):.2f} with it. AdamW divides by the usual size of a gradient, so it takes part of the blow by itself; plain gradient descent would be thrown far away.")

# %% [markdown]
# ## Accumulation: a large batch in small pieces
#
# If a batch does not fit into memory, read it in parts, add up the gradients, and step once.

# %%
def gradient_of(parts: list[Batch], total: int) -> torch.Tensor:
    """All gradients in one row, added up over the parts. `total` is the number of tokens of all parts together."""
    model = fresh()
    for part in parts:
        (model(part.ids, targets=part.targets).sum() / total).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


whole = batches(3)
guess = predict("One pass over 8 rows, or four passes over 2 rows with one step at the end: how different are the gradients?", ["equal but for rounding", "the second is four times as long", "different, and nobody can say how"])

# %%
once = gradient_of([whole], whole.targets.numel())
pieces = gradient_of(list(whole.parts(4)), whole.targets.numel())
print(f"largest difference {(once - pieces).abs().max():.1e}, largest gradient {once.abs().max():.1e}")

# %% tags=["prose"]
close = torch.allclose(once, pieces, atol=1e-5)
guess.was("equal but for rounding" if close else "different, and nobody can say how", "The gradient of a sum is the sum of the gradients. Note that the sum is divided by the tokens of the *whole* batch: dividing each part by its own number of tokens is a famous mistake, which counts the tokens of short parts more.")

# %% [markdown]
# ## Build it
#
# **bf16** is a number of 16 bits with the range of a usual 32-bit number, but only 8 bits of precision, about two and a half decimal digits. It halves the memory and often doubles the speed. Where may it be used?

# %%
one = torch.tensor(1.0)
guess = predict("A weight is 1.0, and each of 1,000 steps adds 0.001 to it. What is it in the end, if it is stored in bf16?")

# %%
weight = one.to(torch.bfloat16)
master = one.clone()
for _ in range(1000):
    weight += 0.001
    master += 0.001
print(f"in bf16 {weight.item():.3f}, in fp32 {master.item():.3f}; the next number after 1 in bf16 is {1 + torch.finfo(torch.bfloat16).eps}")

# %% tags=["prose"]
guess.was(weight.item(), "Each step is lost in rounding. So the weights stay in fp32 and the *products* of matrices are computed in bf16, where small errors cancel. This is called **mixed precision**.")

# %%
with torch.no_grad():
    exact = model(batch.ids, targets=batch.targets).mean().item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = model(batch.ids, targets=batch.targets).mean().item()
print(f"the same model's loss: fp32 {exact:.5f}, mixed precision {narrow:.5f}")

# %% [markdown]
# ## Memory
#
# What must lie in memory while training? The weights, a gradient for each, and two numbers of AdamW for each. For GPT-2 and its larger sisters, without allocating anything ("meta" means: only the shapes):

# %%
sizes = {}
for name in sized(["village_mini", "gpt2", "gpt2_medium", "gpt2_xl"], ["village_mini"]):
    recipe = named(name)
    with torch.device("meta"):
        model_of_it = GPT(recipe.model.model_copy(update={"vocab_size": recipe.tokenizer.vocab_size}))
    sizes[name] = sum(p.numel() for p in model_of_it.parameters())
figure, axes = canvas(7, 2.4)
left = np.zeros(len(sizes))
for part, per_weight, colour in (("weights", 4, Q), ("gradients", 4, K), ("AdamW", 8, V)):
    values = np.array([n * per_weight / 1e9 for n in sizes.values()])
    axes.barh(list(sizes), values, left=left, color=colour, label=part)
    left += values
axes.invert_yaxis()
axes.set(xlabel="gigabytes", title="16 bytes for each weight, before the first activation")
axes.legend()
picture(figure)

# %% [markdown]
# Then come the **activations**: what the forward pass keeps for the way back. They grow with the batch. `./glass plan gpt2` adds all of it up, and [docs/memory.md](../docs/memory.md) says what to do when it is too much.
#
# ## Put it into the real model
#
# Write an optimizer: take only the *sign* of each gradient, averaged over some steps. Then let it compete with plain gradient descent, AdamW and Muon on the same model and the same batches.

# %%
class Signs(torch.optim.Optimizer):
    """Each weight moves by the learning rate, up or down (the idea of Lion; Chen et al., 2023)."""

    def __init__(self, params, lr: float):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 0.1)
                p.sub_(group["lr"] * mean.sign())


def compete(optimizer_of, steps: int = sized(70, 2)) -> list[float]:
    """The losses of a fresh model with an optimizer."""
    model, losses = fresh(), []
    optimizer = optimizer_of(model)
    for step in range(steps):
        batch = batches(step)
        loss = model(batch.ids, targets=batch.targets).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def muon_for(model: GPT) -> torch.optim.Optimizer:
    """Muon for the matrices, AdamW for the rest, as the package builds it."""
    built = muon.Config().build(model)
    set_learning_rate(built, 1e-2)
    return built


guess = predict("Which will be ahead after 70 steps?", ["gradient descent", "your signs", "AdamW", "Muon"])

# %%
results = {
    "gradient descent": compete(lambda model: SGD(model.parameters(), lr=0.1)),
    "your signs": compete(lambda model: Signs(model.parameters(), lr=2e-3)),
    "AdamW": compete(lambda model: AdamW(model.parameters(), lr=3e-3)),
    "Muon": compete(muon_for),
}
figure, axes = canvas(7, 3)
for (name, curve), colour in zip(results.items(), (SOFT, V, Q, K)):
    axes.plot(np.convolve(curve, np.ones(min(5, len(curve))) / min(5, len(curve)), "valid"), color=colour, label=name)
axes.set(xlabel="step", ylabel="loss (nats per character)", title="Four optimizers")
axes.legend()
picture(figure)

# %% tags=["prose"]
final = {name: float(np.mean(curve[-10:])) for name, curve in results.items()}
guess.was(min(final, key=final.__getitem__), f"{', '.join(f'{value:.2f} ({name})' for name, value in final.items())}. This is one seed and a short run: `./glass compare --against train.optimizer=adamw` repeats such a comparison with several seeds and says whether the difference is more than luck (lesson 11).")

# %% [markdown]
# ## Three experiments
#
# 1. Double the batch (`batch_size=16`) and halve the steps. Is the loss after the same number of *tokens* better or worse? At which learning rate?
# 2. Train with `learn(..., 3e-2, "adamw")` and with a warmup of a single step (write the loop yourself). At which learning rate does the warmup begin to matter?
# 3. Store the weights of a model in bf16 (`fresh().bfloat16()`) and train it. Where does the loss stop falling, and does a larger learning rate help?
#
# ## Where the real code is
#
# - [train/trainer.py](../glassformer/train/trainer.py): the loop, with evaluation, checkpoints and exact resume.
# - [kernels/cross_entropy.py](../glassformer/kernels/cross_entropy.py), [kernels/adamw.py](../glassformer/kernels/adamw.py), [kernels/clip.py](../glassformer/kernels/clip.py): the formulas.
# - [train/optimizer/](../glassformer/train/optimizer/), [train/schedule/](../glassformer/train/schedule/), [train/precision.py](../glassformer/train/precision.py).
#
# Next: `./glass lessons open 08`, generation.
