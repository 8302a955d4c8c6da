# %% [markdown]
# # 10 · Scale
#
# The same code with 4 layers or 96: what grows with the size of a model, what it costs, and how to forecast a loss before you pay for it.

# %%
import math

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.lab.plan import plan
from glassformer.lab.plan.hardware import named as machine
from glassformer.lab.plan.scaling import band
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, K, Q, V, canvas
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.parameters import parameters_by_part
from glassformer.recipes.presets import named
from glassformer.tokenizers import TokenizerRecipe

# %% [markdown]
# ## Side by side
#
# GPT-3 differs from `village-mini` in a few numbers of its recipe. Here are both, built by the same class. On the device "meta" a tensor has a shape and no memory, so a model of 175 billion parameters can be built on a laptop.

# %%
def built(name: str) -> GPT:
    """The model of a recipe, without memory for its weights."""
    recipe = named(name)
    with torch.device("meta"):
        return GPT(recipe.model.model_copy(update={"vocab_size": recipe.tokenizer.vocab_size}))


names = ["village_mini", "gpt2", "gpt2_xl", "gpt3"]
guess = predict("village-mini has 4 layers and is 192 wide; GPT-3 has 96 layers and is 12,288 wide: 24 and 64 times as much. How many times as many parameters does GPT-3 have?")

# %%
models = {name: built(name) for name in names}
count = {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
for name, model in models.items():
    c = model.config
    print(f"{name:13} {c.n_layer:3} layers, {c.n_head:3} heads, {c.n_embd:6,} wide, context {c.context_length:5,}: {count[name]:16,} parameters")

# %% tags=["prose"]
guess.was(round(count["gpt3"] / count["village_mini"]), "A matrix from a vector to a vector of the same kind has width times width numbers, so a layer grows with the *square* of the width: 24 x 64 x 64 is about 98,000. The rest of the difference is the embedding, which grows with the width only and takes a large part of a small model.")

# %%
figure, axes = canvas(8, 2.8)
bottom = np.zeros(len(names))
parts = {name: parameters_by_part(model.config) for name, model in models.items()}
kinds = list(dict.fromkeys(kind for each in parts.values() for kind in each))
for kind, colour in zip(kinds, (Q, K, V, ACCENT, "#7b5aa6", "#8a8f99", "#c9a400")):
    share = np.array([parts[name].get(kind, 0) / count[name] for name in names])
    axes.barh(names, share, left=bottom, color=colour, label=kind)
    bottom += share
axes.invert_yaxis()
axes.set(xlim=(0, 1), title="Where the parameters are")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
picture(figure)

# %% [markdown]
# ## A formula for the back of an envelope
#
# A layer has about 12 C² parameters, where C is the width: 4 C² in the attention (q, k, v and the output) and 8 C² in the MLP (from C to 4 C and back). So
#
# ```
# N  =  12 x layers x C²  +  V x C
# ```
#
# ## Build it
#
# Write it, and see how far off it is.

# %%
def my_count(c: GPTConfig) -> float:
    """About how many parameters a model of this shape has."""
    return 12 * c.n_layer * c.n_embd**2 + c.vocab_size * c.n_embd


for name, model in models.items():
    print(f"{name:13} {my_count(model.config):18,.0f}  {my_count(model.config) / count[name] - 1:+.1%}")

# %% [markdown]
# ## Work
#
# To read one token, each parameter is used in one multiplication and one addition: 2 N operations (FLOPs). On the way back it is used twice more. So training costs about **6 N D** FLOPs for D tokens.

# %%
guess = predict("GPT-3 read 300 billion tokens. A laptop's processor does about 200 billion operations per second. How many years would it take for the training?")

# %%
flops = 6 * count["gpt3"] * 300e9
years = flops / 200e9 / (365 * 24 * 3600)
print(f"6 N D = {flops:.2e} operations")

# %% tags=["prose"]
guess.was(round(years), f"Even on a thousand graphics cards, each with 150 trillion operations per second in practice, it takes {flops / 1000 / 150e12 / 86400:.0f} days. `village-mini` took {6 * count['village_mini'] * 37.3e6:.1e} operations, {flops / (6 * count['village_mini'] * 37.3e6):.0e} times less.")

# %% [markdown]
# `./glass plan` counts every operation and every byte instead of using a rule of thumb, and knows many machines. It is a function, too:

# %%
for name, where in sized([("village_mini", "rtx4090"), ("gpt2", "rtx4090")], [("village_mini", "rtx4090")]):
    found = plan(named(name), machine(where))
    print(f"{name:13} on {found.hardware.name[:24]:24} {found.memory.peak / 1e9:6.1f} GB at the peak ({'fits' if found.fits else 'does not fit'}), {found.tokens_per_second:10,.0f} tokens/s, {found.seconds / 3600:10,.2f} hours")

# %% [markdown]
# ## Break it
#
# A larger model is not always better. With the same *computing time* you can train a large model on few tokens or a small one on many. We give models of four widths the same number of FLOPs.

# %%
stories = [Village().story("train", i).text for i in range(sized(800, 20))]
tokenizer = TokenizerRecipe.named("char").train(stories)
train = np.concatenate([[tokenizer.end_of_text, *tokenizer.encode(each)] for each in stories])
batches = Sampler.named("windows").build(Split.of(train, tokenizer.end_of_text), context_length=48, batch_size=8, seed=0)


def of_width(width: int) -> GPT:
    """A model of two layers."""
    return GPT(GPTConfig(vocab_size=tokenizer.vocab_size, n_layer=2, n_head=2, n_embd=width, context_length=48), seed=0)


def size(model: GPT) -> int:
    return sum(p.numel() for p in model.parameters())


def ends(curve: list[float]) -> float:
    """The loss at the end, averaged over the last tenth."""
    return float(np.mean(curve[-max(1, len(curve) // 10) :]))


widths = sized([8, 16, 32, 64, 128], [8, 16])
least, most = sized((20, 250), (2, 3))
budget = least * size(of_width(widths[-1]))  # parameters times steps
guess = predict(f"Each model gets the same work: the one that is {widths[-1]} wide takes {least} steps, smaller ones as many more as they are smaller ({most} at most). Which width ends with the lowest loss?", [str(width) for width in widths])

# %%
same_work = {}
for width in widths:
    model = of_width(width)
    same_work[width] = ends(learn(model, batches, min(most, budget // size(model))))
figure, axes = canvas(7, 2.6)
axes.semilogx([size(of_width(width)) for width in widths], list(same_work.values()), "o-", color=ACCENT)
for width in widths:
    axes.annotate(f"{width} wide", (size(of_width(width)), same_work[width]), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8)
axes.set(xlabel="parameters", ylabel="loss after the same work", title="Too small cannot learn more; too large has not read enough")
picture(figure)

# %% tags=["prose"]
guess.was(str(min(same_work, key=same_work.__getitem__)), "For each amount of work there is a best size. Hoffmann et al. (2022) found for web text that model and text should grow together: about 20 tokens for each parameter. GPT-3 read fewer than 2.")

# %% [markdown]
# ## Put it into the real model: forecast, then pay
#
# How can somebody spend millions on a training without knowing whether it will be good? By a **scaling law**. The losses of small models, drawn against their size on logarithmic axes, lie nearly on a straight line, and a line can be continued.
# We train three small models for the same number of steps, continue the line, and only then train the fourth.

# %%
steps = sized(80, 2)
small, large = sized([12, 24, 48], [8, 12, 16]), sized(96, 24)
losses = {width: ends(learn(of_width(width), batches, steps)) for width in small}
x = np.log([size(of_width(width)) for width in small])
slope, offset = np.polyfit(x, np.log(list(losses.values())), 1)
forecast = math.exp(offset + slope * math.log(size(of_width(large))))
print({f"{width} wide": round(loss, 3) for width, loss in losses.items()})
guess = predict(f"The line says {forecast:.3f} for the model that is {large} wide. What will it really reach?")

# %%
paid = ends(learn(of_width(large), batches, steps))
figure, axes = canvas(7, 2.8)
every = np.array([size(of_width(width)) for width in [*small, large]])
axes.loglog(every[:-1], list(losses.values()), "o", color=Q, label="trained")
axes.loglog(every, np.exp(offset + slope * np.log(every)), "--", color="#8a8f99", label="the line through them")
axes.loglog(every[-1:], [paid], "o", color=ACCENT, label="trained afterwards")
axes.set(xlabel="parameters", ylabel="loss", title="Forecast, then pay")
axes.legend()
picture(figure)

# %% tags=["prose"]
guess.was(paid, f"The forecast was {forecast / paid - 1:+.1%} off. Three points and one seed are a toy; the laws in use were fitted on hundreds of trainings, and they too break where something else runs out (text, steps, precision).")

# %%
known = {name: band(n, tokens) for name, n, tokens in (("gpt2 after 10 billion tokens", count["gpt2"], 10e9), ("gpt2_xl after 30 billion", count["gpt2_xl"], 30e9), ("a 16 billion model after 300 billion", 16e9, 300e9))}
say("\n".join(f"- {name}: {found.low:.2f} to {found.high:.2f} nats per token of web text" for name, found in known.items() if found) +
    "\n\nThat is what the published law promises (`./glass plan` prints it for your recipe). The loss of a *perfect* model would not be 0: a text is not predictable, and the law's first term, 1.7 to 1.8 nats, is what remains.")

# %% [markdown]
# ## The cost of thinking
#
# And what does one generated token cost? Each parameter is read from memory once per token. So the speed of a large model is a question of memory, not of arithmetic.

# %%
for name in names:
    in_16_bits = 2 * count[name]
    print(f"{name:13} {in_16_bits / 1e9:8.2f} GB in 16 bits; with memory that delivers 50 GB/s: {50e9 / in_16_bits:12,.2f} tokens per second at most")

# %% [markdown]
# ## Three experiments
#
# 1. Make the four-width experiment with ten times the work (it takes some minutes). Does the best width move, and by how much?
# 2. Keep the number of parameters and change the shape: 1 layer of width 128, 4 layers of width 64, 16 of width 32. What is best after 150 steps?
# 3. `plan(named("gpt2").override("train.micro_batch_size=64"), machine("rtx4090"))`: does it fit? Find the largest batch that does, and compare with `./glass plan gpt2 --hardware rtx4090`.
#
# ## Where the real code is
#
# - [recipes/presets.py](../glassformer/recipes/presets.py): `village_mini` and `gpt3`, ten lines each.
# - [lab/plan/](../glassformer/lab/plan/__init__.py): what a training will need; [scaling.py](../glassformer/lab/plan/scaling.py) is the law.
# - [model/parameters.py](../glassformer/model/parameters.py): counting without memory.
#
# Next: `./glass lessons open 11`, variants.
