# %% [markdown]
# # 11 · Variants
#
# Swap one part of the model, from a file of your own, and find out honestly whether it is better or whether you were lucky.

# %%
import math
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.kernels import attention, fused, replace
from glassformer.lab.compare.statistics import paired
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, SOFT, Q, bars, canvas
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.tokenizers import TokenizerRecipe

stories = [Village().story("train", i).text for i in range(sized(400, 20))]
unseen = [Village().story("validation", i).text for i in range(sized(30, 3))]
tokenizer = TokenizerRecipe.named("char").train(stories + unseen)


def ids_of(texts: list[str]) -> np.ndarray:
    return np.concatenate([[tokenizer.end_of_text, *tokenizer.encode(each)] for each in texts])


train = Split.of(ids_of(stories), tokenizer.end_of_text)
test = torch.tensor(ids_of(unseen))
test = test[: len(test) // 49 * 49].view(-1, 49)[: sized(120, 4)]
STEPS = sized(60, 2)


def shape(**parts) -> GPTConfig:
    """A small model in which some parts are other ones."""
    return GPTConfig.parse({"vocab_size": tokenizer.vocab_size, "n_layer": 2, "n_head": 2, "n_embd": sized(32, 16), "context_length": 48, **parts})


def score(seed: int = 0, kernels=None, steps: int = STEPS, **parts) -> float:
    """Train a model from a seed, which decides its first weights and its batches, and return its loss on held-out text."""
    model = GPT(shape(**parts), kernels=kernels, seed=seed)
    batches = Sampler.named("windows").build(train, context_length=48, batch_size=8, seed=seed)
    learn(model, batches, steps)
    with torch.no_grad():
        return model(test[:, :-1], targets=test[:, 1:]).mean().item()


# %% [markdown]
# ## A model is a list of choices
#
# Each part of the model is a **slot**, and each slot can be filled by one of several files. The name of the file is the name of the choice.

# %%
import glassformer.model

for slot in ("position", "mixer", "mlp", "norm", "residual", "head", "init"):
    files = sorted(path.stem for path in (Path(glassformer.model.__file__).parent / slot).iterdir() if path.stem[0] not in "_.")
    print(f"model.{slot:9}", *files)

# %% [markdown]
# ## How lucky can you be?
#
# Before comparing two *different* models, compare two equal ones. The same model is trained from several seeds.

# %%
seeds = range(sized(6, 2))
guess = predict("Same model, same text, same steps, other random numbers: by how many percent do the best and the worst of six differ?")

# %%
base = [score(seed) for seed in seeds]
spread = (max(base) - min(base)) / np.mean(base)
figure, axes = canvas(7, 1.5)
axes.plot(base, [0] * len(base), "o", color=Q, alpha=0.7)
axes.set(xlabel="loss on held-out text (nats per character)", title="Equal models, other seeds")
axes.set_yticks([])
picture(figure)

# %% tags=["prose"]
guess.was(round(100 * float(spread), 1), f"From {min(base):.3f} to {max(base):.3f}. Whoever trains one model of each kind and reports the better one may have measured nothing but this.")

# %% [markdown]
# ## Build it
#
# Now a variant of your own. A file that defines a subclass of `Norm` *is* a norm. This one divides by the mean size of the numbers instead of the root of the mean square. We write it into a file, and its path stands where a name would.

# %%
MY_NORM = '''
from torch import nn

from glassformer.model.norm import Norm


class Config(Norm):
    """Divides by the mean absolute value."""

    def build(self, shapes, kernels=None):
        return MeanNorm()


class MeanNorm(nn.Module):
    def forward(self, x):  # (B, T, C) -> (B, T, C)
        return x / (x.abs().mean(-1, keepdim=True) + 1e-6)
'''
path = Path(mkdtemp()) / "my_norm.py"
path.write_text(MY_NORM, encoding="utf-8")
model = GPT(shape(norm=str(path)))
print(model.blocks[0])

# %% [markdown]
# ## Measure it
#
# An honest comparison uses **pairs**: for each seed, train both models with the same batches, and look at the difference. Where the luck lies in the batches, it is the same for both and drops out of the difference.

# %%
guess = predict("Is your norm better than RMSNorm here?", ["better", "worse", "no difference that can be shown"])

# %%
mine = [score(seed, norm=str(path)) for seed in seeds]
found = paired(base, mine)
figure, axes = canvas(7, 2.4)
for a, b in zip(base, mine):
    axes.plot([0, 1], [a, b], "o-", color=SOFT, markersize=4)
axes.plot([0, 1], [np.mean(base), np.mean(mine)], "o-", color=ACCENT, linewidth=3)
axes.set_xticks([0, 1], ["RMSNorm", "your norm"])
axes.set(ylabel="held-out loss", title="Each line is one seed; the thick one is the mean", xlim=(-0.3, 1.3))
picture(figure)

# %% tags=["prose"]
verdict = "no difference that can be shown" if found.low <= 0 <= found.high else "better" if found.mean < 0 else "worse"
guess.was(verdict, f"The difference is {found.mean:+.2%}, and with 98 % confidence between {found.low:+.2%} and {found.high:+.2%}. If 0 lies inside, you have not shown a difference; that is not the same as having shown that there is none. If it lies outside, you have shown it for this small model and {STEPS} steps, and for nothing else.")

# %%
both = np.array(base), np.array(mine)
alone = 2.8 * math.sqrt(both[0].var(ddof=1) / len(base) + both[1].var(ddof=1) / len(mine)) / both[0].mean() if len(base) > 1 else 0
reach = (found.high - found.low) / 2
say(f"Without pairs, from the two heaps of losses alone, the interval would be about ±{alone:.2%}; with pairs it is ±{reach:.2%}. " +
    ("Here the pairs have paid." if reach < alone else "Here the pairs have not paid: the luck lies in the first weights, which the two models do not share, more than in the batches. One sees that only by measuring."))

# %% [markdown]
# ## Swap other parts
#
# Other choices, two seeds each. This is a look around and no proof; note also that the models do not have equally many weights.

# %%
others = sized([{"mlp": "gelu"}, {"position": "alibi"}, {"position": "none"}, {"mixer": "linear"}, {"mixer": "gated_deltanet"}, {"residual": "parallel"}], [{"mlp": "gelu"}])
names, differences, weights = [], [], []
few = list(seeds)[:2]
for parts in others:
    losses = [score(seed, **parts) for seed in few]
    names.append(", ".join(f"{slot}={choice}" for slot, choice in parts.items()))
    differences.append(100 * (np.mean(losses) / np.mean(base[: len(few)]) - 1))
    weights.append(sum(p.numel() for p in GPT(shape(**parts)).parameters()))
figure, axes = canvas(8, 2.6)
bars(axes, [f"{name} ({n / 1000:.0f}k)" for name, n in zip(names, weights)], differences, title="Loss against the usual model, in percent (below 0 is better)")
axes.axvspan(-100 * spread, 100 * spread, color="#8a8f99", alpha=0.2)
picture(figure)

# %% [markdown]
# The grey band is as wide as the luck of the seeds. What lies inside it, nobody has measured yet.
#
# ## Break it
#
# The most common way to a wonderful result is a mistake. Here is a "new attention" that lets each token look one place into the future.

# %%
def wonderful(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """Attention with a mask that is one place too wide."""
    seen = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool).tril(1)
    return attention.fused(q, k, v, seen, bias, dropout_p)


usual = score(0, steps=4 * STEPS)
guess = predict(f"The usual model, trained four times as long, has a held-out loss of {usual:.2f}. What does this one reach on held-out text in the same time?")

# %%
cheat = score(0, kernels=replace(fused(), attention=wonderful), steps=4 * STEPS)
guess.was(cheat, "The held-out text does not uncover it, because the answer stands in the same row. A test of the *promise* does: change the last token, and no earlier score may change.")

# %%
def depends_on_the_future(kernels) -> float:
    """How much the scores before the last token change when the last token does."""
    model = GPT(shape(), kernels=kernels, seed=1)
    row = test[:1, :20].clone()
    with torch.no_grad():
        before = model(row)[:, :-1]
        row[0, -1] = (row[0, -1] + 1) % tokenizer.vocab_size
        return (model(row)[:, :-1] - before).abs().max().item()


print(f"usual attention {depends_on_the_future(fused()):.1e}, the wonderful one {depends_on_the_future(replace(fused(), attention=wonderful)):.1e}")

# %% [markdown]
# `./glass check-variant ./my_mixer.py` tests this promise and about twenty others for every part of your own, before you spend an hour on training it.
#
# ## Put it into the real model
#
# In the terminal your file enters the real training, and the real comparison, by its path:
#
# ```
# ./glass check-variant ./my_norm.py
# ./glass train village model.norm=./my_norm.py
# ./glass compare --against model.norm=./my_norm.py
# ```
#
# `compare` does what you did here, with the whole recipe: equal tokens, FLOPs or time; several seeds in pairs; a correction when many variants are tried at once (of twenty useless ideas, one looks good by luck); speed, longer texts and stories beside the loss. Your file is kept with the
# weights, so the result can be repeated in a year. Here we only make sure that the recipe takes it:

# %%
from glassformer.recipes.presets import mini

recipe = mini().override(f"model.norm={path}", "model.vocab_size=2048")
print(f"{sum(p.numel() for p in GPT(recipe.model).parameters()):,} parameters, with your norm in {recipe.model.n_layer} layers")

# %% [markdown]
# ## Three experiments
#
# 1. Give your norm a gain for each number, as RMSNorm has (`nn.Parameter(torch.ones(shapes.n_embd))`). Does the interval move away from 0?
# 2. Take `n_embd=48` as a "variant". It has more weights: is it better because of the idea or because of the weights? How would you compare two models of equal cost?
# 3. Repeat the comparison of RMSNorm with *itself* under other seeds, twenty times with two seeds each. How often does the interval exclude 0, and how often should it?
#
# ## Where the real code is
#
# - [config/\_\_init\_\_.py](../glassformer/config/__init__.py): how the name of a file becomes a part.
# - [lab/compare/](../glassformer/lab/compare/__init__.py) and [its statistics](../glassformer/lab/compare/statistics.py); [lab/contracts/](../glassformer/lab/contracts/__init__.py): the promises.
# - [docs/own_parts.md](../docs/own_parts.md): a whole file that works, for every kind of part.
#
# Next: `./glass lessons open 12`, faster.
