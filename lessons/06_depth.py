# %% [markdown]
# # 06 · Norms, residuals and depth
#
# Why a stack of 48 layers can learn at all: the residual stream, where the norms stand, and how the weights begin.

# %%
import math

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.kernels import fused, replace
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, SOFT, Q, V, canvas
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.positions import Positions
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped
from glassformer.tokenizers import TokenizerRecipe

stories = [Village().story("train", i).text for i in range(sized(400, 20))]
tokenizer = TokenizerRecipe.named("char").train(stories)
train = np.concatenate([[tokenizer.end_of_text, *tokenizer.encode(each)] for each in stories])
batches = Sampler.named("windows").build(Split.of(train, tokenizer.end_of_text), context_length=48, batch_size=8, seed=0)
batch = batches(0)
uniform, frequencies = math.log(tokenizer.vocab_size), np.bincount(train) / len(train)
entropy = -sum(p * math.log(p) for p in frequencies if p)  # the loss of a model that knows how frequent characters are, and no more
DEPTH = sized(24, 4)


def deep(layers: int, **parts) -> GPT:
    """An untrained model of the given depth."""
    return GPT(GPTConfig(vocab_size=tokenizer.vocab_size, n_layer=layers, n_head=3, n_embd=48, context_length=48, mlp="relu", **parts), seed=0)


# %% [markdown]
# ## A whisper down a long line
#
# The simplest deep network would pass the output of one layer on to the next, x = f(x). Think of the game in which children whisper a sentence along a line. We build a stack of
# 24 fresh attention layers and MLPs of the real package, and measure how large the numbers are after each. Once as plain stack, and once
# as the residual stream of lesson 03, in which each layer *adds* to what is there.
#
# (GPT-2 medium has as many layers.)

# %%
model = deep(DEPTH).requires_grad_(False)
positions = Positions.of(48, scheme=model.position)


def sizes(step) -> list[float]:
    """The typical size of a number in the stream, after each block."""
    x = model.embed(batch.ids)
    found = [x.double().square().mean().sqrt().item()]
    for block in model.blocks:
        x = step(x, block)
        found.append(x.double().square().mean().sqrt().item())
    return found


def stacked(x, block):
    """Each part gets only what the last one has put out."""
    x = block.mixer(x, positions)
    return block.mlp(x)


def residual(x, block):
    """Each part adds to the stream, and reads it through a norm."""
    x = x + block.mixer(block.mixer_norm(x), positions)
    return x + block.mlp(block.mlp_norm(x))


start = sizes(stacked)[0]
guess = predict(f"At the beginning the numbers have a typical size of {start:.3f}. How large are they after the plain stack?", ["about the same", "a hundred times smaller", "zero for the computer"])

# %%
plain, added = sizes(stacked), sizes(residual)
figure, axes = canvas(7, 3)
axes.semilogy([max(value, 1e-45) for value in plain], "o-", color=ACCENT, markersize=3, label="x = f(x)")
axes.semilogy(added, "o-", color=Q, markersize=3, label="x = x + f(norm(x))")
axes.set(xlabel="block", title="The size of the numbers on their way through the model")
axes.legend()
picture(figure)

# %% tags=["prose"]
gone = next((i for i, value in enumerate(plain) if value < 1e-30), len(plain) - 1)
guess.was("zero for the computer" if plain[-1] < 1e-30 else "a hundred times smaller",
          f"After {gone} blocks they are {plain[gone]:.0e}. Each small matrix makes the numbers smaller, and many factors below 1 multiply to nothing (larger matrices would make them explode instead). In the stream they go from {added[0]:.3f} to "
          f"{added[-1]:.3f}: a *sum* of small steps, not a product. Here is the idea of He et al. (2015) that made deep networks possible.")

# %% [markdown]
# ## The way back: gradients
#
# Training sends a signal backwards: how should each weight change? It passes through the same layers. What vanishes on the way forward vanishes on the way back. The **norms** decide too: the
# transformer of 2017 normalised the *sum* (post-norm), and today's models normalise only what a part *reads* (pre-norm), so that the stream itself is never squeezed.
#
# ```
# post:  x = norm(x + f(x))            pre:  x = x + f(norm(x))
# ```

# %%
def gradients(**parts) -> list[float]:
    """The length of the gradient of each block of an untrained model, after one backward pass over a real batch."""
    fresh = deep(DEPTH, **parts)
    fresh(batch.ids, targets=batch.targets).mean().backward()
    return [math.sqrt(sum(p.grad.square().sum().item() for p in block.parameters())) for block in fresh.blocks]


spread = {"name": "flat", "spread": 0.09}
guess = predict("The weights are drawn with the same standard deviation everywhere. With post-norm, which blocks of a fresh model get the larger gradients?", ["the first ones", "the last ones"])

# %%
lines = {"post-norm": gradients(residual="post", init=spread), "pre-norm": gradients(residual="pre", init=spread), "pre-norm, GPT-2's weights": gradients(residual="pre", init="gpt2")}
figure, axes = canvas(7, 3)
for (name, line), colour in zip(lines.items(), (ACCENT, SOFT, Q)):
    axes.semilogy(line, "o-", color=colour, markersize=3, label=name)
axes.set(xlabel="block", ylabel="length of the gradient", title="Gradients of a fresh model")
axes.legend()
picture(figure)

# %% tags=["prose"]
apart = {name: max(line) / min(line) for name, line in lines.items()}
guess.was("the last ones" if lines["post-norm"][-1] > lines["post-norm"][0] else "the first ones",
          f"The largest and the smallest gradient differ by a factor of {', '.join(f'{factor:.1f} ({name})' for name, factor in apart.items())}. With post-norm the last blocks are moved most, before the first ones hand them anything useful, so such models need a long *warmup* of tiny "
          "steps (lesson 07). With pre-norm it is the other way round: the stream grows, and what a late block adds is a small share of it. GPT-2 draws the weights that write into the stream smaller, by the root of twice the number of layers. Then all blocks get nearly the same, which is what one learning rate for all of them asks for.")

# %% [markdown]
# ## What a norm does
#
# **RMSNorm** divides a vector by its typical size and multiplies each number by a learned gain. After it, the direction is the same and the length is fixed: the part that reads it always gets
# numbers of the same size, however long the stream has become. In the trained model:

# %%
checkpoint = load(run_or_shipped("village-mini"))
village = checkpoint.model().requires_grad_(False)
words = checkpoint.tokenizer()
row = torch.tensor([[words.end_of_text, *words.encode(Village().story("validation", 1).text)][: sized(300, 40)]])
where = Positions.of(row.shape[1], scheme=village.position)
x = village.embed(row)
stream, writes = [x.norm(dim=-1).mean().item()], {"attention": [], "MLP": []}
for block in village.blocks:
    for name, part in (("attention", block.mixer(block.mixer_norm(x), where)), ("MLP", None)):
        part = block.mlp(block.mlp_norm(x)) if part is None else part
        writes[name].append(part.norm(dim=-1).mean().item())
        x = x + part
    stream.append(x.norm(dim=-1).mean().item())
figure, axes = canvas(8, 2.8, columns=2)
axes[0].plot(stream, "o-", color=Q)
axes[0].set(xlabel="after block", title="Length of the stream in village-mini", ylim=0)
for (name, line), colour in zip(writes.items(), (Q, V)):
    axes[1].plot(line, "o-", color=colour, label=name)
axes[1].set(xlabel="block", title="Length of what each part adds", ylim=0)
axes[1].legend()
picture(figure)

# %% [markdown]
# The stream grows on its way, since everyone adds to it, and the last parts must write loudly to be heard.
#
# ## Break it
#
# How should the weights begin? They are drawn at random, and the only choice is how large. The standard deviation of GPT-2 is 0.02. We try others, and look at the loss before any training.

# %%
guess = predict(f"A model that knows nothing has a loss of ln {tokenizer.vocab_size} = {uniform:.2f}. What is the loss of a fresh model whose weights have a standard deviation of 1?")

# %%
spreads = [0.005, 0.02, 0.1, 0.3, 1.0]
with torch.no_grad():
    begins = [deep(sized(8, 2), init={"name": "flat", "spread": s})(batch.ids, targets=batch.targets).mean().item() for s in spreads]
figure, axes = canvas(7, 2.6)
axes.loglog(spreads, begins, "o-", color=ACCENT)
axes.axhline(uniform, color="#8a8f99", linestyle="--", linewidth=1)
axes.set(xlabel="standard deviation of the weights", ylabel="loss before training", title="Large weights make a model that is sure and wrong")
picture(figure)

# %% tags=["prose"]
guess.was(begins[-1], "Its scores are far apart, so it is certain of a random token. It must first unlearn that, which costs hundreds of steps. **The first loss that a training prints should be close to ln V**; this is the cheapest test there is.")

# %% [markdown]
# ## Build it
#
# Write RMSNorm: divide x by the square root of the mean of its squares, and multiply by the weight. (`.mean(-1, keepdim=True)` is the mean over the numbers of each token; add `eps`
# to it, so that nothing is divided by 0.)
#
# Put your formula in place of `return ...`. The folded cell holds a function that works, which takes over where the three dots are still there.

# %%
def my_rms_norm(x, weight, eps=1e-6):
    """x (..., C), weight (C,) -> (..., C)."""
    return ...

# %% tags=["solution"]
def one_that_works(x, weight, eps=1e-6):
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt() * weight


if my_rms_norm(torch.ones(2), torch.ones(2)) is ...:
    my_rms_norm = one_that_works

# %%
def loss_with(norm) -> float:
    """The loss of village-mini with another RMSNorm."""
    return checkpoint.model(kernels=replace(fused(), rms_norm=norm)).requires_grad_(False)(row[:, :-1], targets=row[:, 1:]).mean().item()


print(f"with the package's norm {loss_with(fused().rms_norm):.5f}, with yours {loss_with(my_rms_norm):.5f}")

# %% [markdown]
# ## Put it into the real model
#
# Two experiments in real models. First, the trained one without its norms: only the gain is left.

# %%
without = loss_with(lambda x, weight, eps=1e-6: x * weight)
say(f"Without the division the loss goes from {loss_with(my_rms_norm):.2f} to **{without:,.0f}** (knowing nothing would be {math.log(words.vocab_size):.2f}).")

# %% [markdown]
# Second, we train: models of eight layers with pre-norm and post-norm, with AdamW at a high learning rate and almost no warmup.

# %%
guess = predict(f"The entropy of single characters is {entropy:.2f} nats: a model that has learned nothing but their frequencies. Which model is stuck there after training?", ["pre-norm", "post-norm", "both", "neither"])

# %%
steps, layers = sized(60, 2), sized(8, 2)
curves = {name: learn(deep(layers, residual=kind), batches, steps, 5e-3, "adamw") for name, kind in (("pre-norm", "pre"), ("post-norm", "post"))}
figure, axes = canvas(7, 3)
for (name, curve), colour in zip(curves.items(), (Q, ACCENT)):
    axes.plot(curve, color=colour, label=name)
axes.axhline(entropy, color="#8a8f99", linestyle="--", linewidth=1)
axes.text(0, entropy, "frequencies only", fontsize=8, color="#8a8f99", va="bottom")
axes.set(xlabel="step", ylabel="loss (nats per character)", title=f"{layers} layers, 5e-3, almost no warmup")
axes.legend()
picture(figure)

# %% tags=["prose"]
ends = {name: float(np.mean(curve[-8:])) for name, curve in curves.items()}
stuck = [name for name, end in ends.items() if end > entropy - 0.15]
guess.was({0: "neither", 2: "both"}.get(len(stuck), (stuck or [""])[0]), f"They end at {', '.join(f'{end:.2f} ({name})' for name, end in ends.items())}. `./glass stability` does this with care: several depths, several seeds, with warmup and without.")

# %% [markdown]
# ## Three experiments
#
# 1. Give the post-norm model a warmup: train it with a learning rate of 5e-4 first and then go on with 5e-3 (call `learn` twice). Does it still get stuck?
# 2. `init="gpt2"` makes the projections that write into the stream smaller by the root of twice the number of layers. Plot `sizes(residual)` with `init="flat"` beside it, for 48 layers.
# 3. Try `residual="sandwich"` and `residual="parallel"` in the last experiment. Read their files first, and predict.
#
# ## Where the real code is
#
# - [model/residual/](../glassformer/model/residual/): pre, post, sandwich, parallel: each is a block of two or three lines.
# - [kernels/rms_norm.py](../glassformer/kernels/rms_norm.py) and [model/norm/](../glassformer/model/norm/); [model/init/](../glassformer/model/init/): how weights begin.
# - [lab/stability/](../glassformer/lab/stability/__init__.py): the experiment of this lesson, with seeds and error bars.
#
# Next: `./glass lessons open 07`, training.
