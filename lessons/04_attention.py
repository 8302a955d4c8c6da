# %% [markdown]
# # 04 · Attention by hand
#
# How a token chooses what it reads: queries, keys and values, the division by the square root of d, the mask, and many heads.
#
# In lesson 03 attention was one line. Here you compute it with your own hands, for the heads of a trained model, and then find out why each
# step of the formula is there by leaving it out.

# %%
import math
import time

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import complete
from glassformer.kernels import attention, fused, replace
from glassformer.lessons import picture, predict, sized
from glassformer.lessons.pictures import ACCENT, K, Q, V, canvas, grid, shown
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.positions import Positions
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped
from glassformer.tokenizers import TokenizerRecipe

checkpoint = load(run_or_shipped("village-mini"))
model, tokenizer = checkpoint.model().requires_grad_(False), checkpoint.tokenizer()
text = 'Once there was a girl called Nora. With her was her goose, Duchess. She ran off. "Duchess has run away!" called'
ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(text)]])
names = [shown(tokenizer.token_bytes[i] or b"<end>") for i in ids[0].tolist()]
positions = Positions.of(ids.shape[1], scheme=model.position)
print(len(names), "tokens:", *names)

# %% [markdown]
# ## Three roles for every token
#
# Every token's vector is multiplied by three matrices, which were learned. The results are its **query** q (what am I looking for?), its
# **key** k (what do I have to offer?) and its **value** v (what do I hand over?). We take one head of the last layer; its vectors have D = 48 numbers.

# %%
LAYER, HEAD = 3, 2
x = model.embed(ids)
for block in model.blocks[:LAYER]:
    x, _ = block(x, positions)
block = model.blocks[LAYER]
mixer = block.mixer
projected = (project(block.mixer_norm(x)) for project in (mixer.q_proj, mixer.k_proj, mixer.v_proj))
q, k, v = (t.unflatten(-1, (-1, mixer.head_dim)).transpose(1, 2) for t in projected)  # (B, H, T, D) each
q, k = positions.rotate_for_softmax(mixer.q_norm(q), mixer.k_norm(k))  # this model normalises both, and rotates them by their place (lesson 05)
D = mixer.head_dim

figure, axes = canvas(9, 4, columns=3)
for axis, name, values, colour in zip(axes, ("queries q", "keys k", "values v"), (q, k, v), (Q, K, V)):
    grid(axis, values[0, HEAD], names if name[0] == "q" else (), signed=True)
    axis.set_title(f"{name}  (T, D)", color=colour)
picture(figure)

# %% [markdown]
# ## Scores: does the key fit the query?
#
# The **score** of a pair is the dot product of query and key: multiply the numbers in pairs and add up. It is large if they point the same way. We
# divide by the square root of D; you will soon see why.

# %%
last = len(names) - 1
scores = q[0, HEAD, last] @ k[0, HEAD].T / math.sqrt(D)
guess = predict(
    "The last token is 'called', and the model must say who called. To which token will the score of this head be highest?",
    ["called (itself)", "Nora", "the last Duchess", "<end>, the first token"],
)

# %%
figure, axes = canvas(9, 2.2)
axes.bar(range(len(names)), scores.tolist(), color=[Q if s > 0 else K for s in scores.tolist()])
axes.set_xticks(range(len(names)), names, rotation=90)
axes.set_title("Scores of the last token's query with every key")
picture(figure)

# %% tags=["prose"]
best = names[int(scores.argmax())]
guess.was({"␣called": "called (itself)", "␣Nora": "Nora", "uchess": "the last Duchess"}.get(best, best),
          f"It stands {last - int(scores.argmax())} tokens before, and nobody has said that a goose cannot call. Each head has its own idea of what is worth reading: change `HEAD` above and run the cells again.")

# %% [markdown]
# ## Weights: a softmax over the scores
#
# `softmax` turns the scores into positive weights that sum to 1: e to the power of each score, divided by the sum. Then the token reads the **weighted mean of
# the values**. That is all.
#
# ```
# y_t = sum over s of  softmax_s(q_t . k_s / sqrt(D))  v_s          for the tokens s that t may see
# ```

# %%
weights = scores.exp() / scores.exp().sum()
y = weights @ v[0, HEAD]
everything = attention.plain(q, k, v)  # the same for all tokens and all heads at once
print("the sum of the weights:", weights.sum().item())
print("the same as the package's attention:", torch.allclose(y, everything[0, HEAD, last], atol=1e-5))

pattern = attention.pattern(q, k)[0]  # (H, T, T)
figure, axes = canvas(8, 6)
grid(axes, pattern[HEAD], names, names, title=f"The weights of head {HEAD} in layer {LAYER}: a row reads, a column is read")
picture(figure)

# %% [markdown]
# ## Why divide by the square root of d?
#
# Think of q and k at the beginning of training: their D numbers are random and about as large as 1. The dot product adds up D random products. How large is such a sum?

# %%
def dot_products(D: int) -> torch.Tensor:
    """(T, T): the dot products of the queries and keys of a fresh head of width D, for the text above."""
    fresh = GPT(GPTConfig(vocab_size=tokenizer.vocab_size, n_layer=1, n_head=1, n_embd=D, init="gpt2"), seed=0).requires_grad_(False)
    stream = fresh.blocks[0].mixer_norm(fresh.embed(ids))[0]  # a norm: each number has a typical size of 1
    draw = torch.Generator().manual_seed(0)
    to_q, to_k = torch.randn(2, D, D, generator=draw) / D**0.5  # matrices that keep this size
    return (stream @ to_q) @ (stream @ to_k).T


widths = sized((4, 16, 64, 256, 1024), (4, 16, 256))
sizes = {D: dot_products(D).std().item() for D in widths}
guess = predict(f"For D = 16 the dot products of a fresh model have a typical size of {sizes[16]:.1f}. How large are they for D = 256?")

# %%
figure, axes = canvas(7, 2.8)
axes.loglog(widths, list(sizes.values()), "o-", color=ACCENT, label="q . k")
axes.loglog(widths, [size / D**0.5 for D, size in sizes.items()], "o-", color=Q, label="q . k / sqrt(D)")
axes.loglog(widths, [D**0.5 for D in widths], "--", color="#8a8f99", label="sqrt(D)")
axes.set(xlabel="D", title="The typical size of a score")
axes.set_xticks(widths, [str(D) for D in widths])
axes.legend()
picture(figure)

# %% tags=["prose"]
guess.was(round(sizes[256], 1), "16 times as many terms make it 4 times as large: random terms partly cancel, so a sum of D of them grows like the *square root* of D. "
          "Divided by it, the scores have the same size for every width.")

# %% [markdown]
# And why do large scores hurt? Because softmax turns them into an almost hard choice: one weight is nearly 1, the others nearly 0. Then no small change
# of a score changes anything, and the gradient, from which the model learns, is nearly 0.

# %%
softest = {}
for D in widths:
    for name, factor in (("not divided", 1.0), ("divided", D**-0.5)):
        p = (dot_products(D) * factor).tril().masked_fill(torch.ones(len(names), len(names)).triu(1) > 0, -torch.inf).softmax(-1)
        slope = (p * (1 - p))[-1].sum()  # how much the weights of the last token change with their scores
        softest.setdefault(name, []).append(slope.item())
figure, axes = canvas(7, 2.6)
for (name, line), colour in zip(softest.items(), (ACCENT, Q)):
    axes.semilogx(widths, line, "o-", color=colour, label=name)
axes.set(xlabel="D", ylabel="slope of the softmax", ylim=(0, 1.05), title="What is left of the gradient behind the softmax")
axes.set_xticks(widths, [str(D) for D in widths])
axes.legend()
picture(figure)

# %% [markdown]
# ## Break it
#
# **The scale.** We put the trained model's attention together ourselves and multiply its scores by a factor. At 1 it is as it was trained; at
# sqrt(48) = 6.9 it is not divided.

# %%
story = Village().story("validation", 1).text
row = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(story)][: sized(300, 30)]])


def loss_with(formula) -> float:
    """The loss of the trained model with another attention (nats per token)."""
    return checkpoint.model(kernels=replace(fused(), attention=formula)).requires_grad_(False)(row[:, :-1], targets=row[:, 1:]).mean().item()


def scaled_by(factor: float):
    """Attention whose scores are multiplied by `factor`."""
    def formula(q, k, v, visible=None, bias=None, dropout_p=0.0):
        return attention.plain(factor * q, k, v, visible, bias, dropout_p)
    return formula


factors = sized([0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, 6.9, 15], [0.05, 1, 6.9])
curve = [loss_with(scaled_by(factor)) for factor in factors]
figure, axes = canvas(7, 2.8)
axes.semilogx(factors, curve, "o-", color=ACCENT)
axes.set(xlabel="factor on the scores", ylabel="loss (nats per token)", title="Blind on the left, stubborn on the right", ylim=0)
picture(figure)

# %% [markdown]
# Far to the left every token reads all others equally and learns nothing from them. Far to the right it reads one token only. The model wants the scale that it was trained with.
#
# **The mask.** We train two small models of single characters. One of them may look at the future.

# %%
stories = [Village().story("train", i).text for i in range(sized(400, 20))]
characters = TokenizerRecipe.named("char").train(stories)
train = np.concatenate([[characters.end_of_text, *characters.encode(each)] for each in stories])
windows = Sampler.named("windows").build(Split.of(train, characters.end_of_text), context_length=64, batch_size=16, seed=0)
shape = GPTConfig(vocab_size=characters.vocab_size, n_layer=2, n_head=4, n_embd=sized(64, 16), context_length=64)


def without_mask(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """Attention in which a token reads later ones too."""
    everything = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool)
    return attention.fused(q, k, v, everything, bias, dropout_p)


steps = sized(150, 3)
causal, peeking = GPT(shape, seed=0), GPT(shape, kernels=replace(fused(), attention=without_mask), seed=0)
curves = {"with the mask": learn(causal, windows, steps)}
guess = predict(f"The model with a mask reaches a loss of {np.mean(curves['with the mask'][-10:]):.2f} in {steps} steps. What does the one without reach?",
                ["about the same", "a little less", "almost 0"])

# %%
curves["without"] = learn(peeking, windows, steps)
figure, axes = canvas(7, 2.8)
for (name, line), colour in zip(curves.items(), (Q, ACCENT)):
    axes.plot(line, color=colour, label=name)
axes.set(xlabel="step", ylabel="loss (nats per character)", ylim=0, title="Training with and without a mask")
axes.legend()
picture(figure)
for name, each in (("with the mask", causal), ("without", peeking)):
    print(f"{name:14}", repr("One morning" + complete(each, characters, ["One morning"], SamplingConfig(temperature=0.5, max_new_tokens=sized(50, 4)))[0]))

# %% tags=["prose"]
end = float(np.mean(curves["without"][-10:]))
guess.was("almost 0" if end < 0.5 else "a little less" if end < 0.95 * np.mean(curves["with the mask"][-10:]) else "about the same",
          f"It ends at {end:.2f}, against {np.mean(curves['with the mask'][-10:]):.2f}. The answer to each question is the next token, so a model that may look there copies it. When it writes, there is no next token yet, and it has learned nothing else.")

# %% [markdown]
# ## Build it
#
# Write attention as the formula says it, with loops, for one head. Nothing here is fast, and everything is plain. For each token t: the scores
# of its query with the keys of all tokens up to t, divided by the square root of D; e to the power of each score; divided by their sum, these are the shares;
# and the sum of the values, each times its share.
#
# Put your lines in place of `return ...`. The folded cell holds a function that works, which takes over where the three dots are still there.

# %%
def my_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """q, k, v (T, D) -> (T, D): what each token reads of itself and the tokens before it."""
    return ...

# %% tags=["solution"]
def one_that_works(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    T, D = q.shape
    y = torch.zeros(T, D)
    for t in range(T):
        scores = [float(q[t] @ k[s]) / math.sqrt(D) for s in range(t + 1)]  # the mask: s goes up to t only
        largest = max(scores)  # e to the power of 1000 is too large for a computer; a common factor changes no share
        shares = [math.exp(score - largest) for score in scores]
        for s, share in enumerate(shares):
            y[t] += share / sum(shares) * v[s]
    return y


if my_attention(q[0, HEAD], k[0, HEAD], v[0, HEAD]) is ...:
    my_attention = one_that_works

# %%
assert torch.allclose(my_attention(q[0, HEAD], k[0, HEAD], v[0, HEAD]), everything[0, HEAD], atol=1e-5)
print("your loops give what the package's matrices give")

# %%
def seconds(formula, T: int) -> float:
    """The time for T tokens of the trained model's queries, keys and values (one head), repeated to length T."""
    a, b, c = (t[0, HEAD].repeat(T // len(names) + 1, 1)[:T] for t in (q, k, v))
    began = time.perf_counter()
    formula(a, b, c)
    return time.perf_counter() - began


slow = seconds(my_attention, sized(100, 10))
guess = predict(f"Your loops take {slow * 1000:.0f} ms for {sized(100, 10)} tokens. How many ms do they take for twice as many?")

# %%
twice = seconds(my_attention, 2 * sized(100, 10))
fast = min(seconds(lambda a, b, c: attention.fused(a[None, None], b[None, None], c[None, None]), 2 * sized(100, 10)) for _ in range(5))
guess.was(round(twice * 1000), f"That is {twice / slow:.1f} times as long: every token reads every earlier one, so the work grows with the *square* of the length. The fused kernel takes {fast * 1000:.2f} ms, with the same square.")

# %% [markdown]
# ## Put it into the real model
#
# Why several heads? A head has one pattern, so it can look for one thing at a time. We give all four heads of a layer the *same* pattern, the mean of
# theirs, and leave their values alone.

# %%
def one_pattern(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """All heads read with the mean of their patterns."""
    return attention.pattern(q, k, visible, bias).mean(1, keepdim=True) @ v


whole = loss_with(attention.plain)
guess = predict(f"With four patterns in each layer the loss is {whole:.2f}. With one, the mean of them?")

# %%
shared = loss_with(one_pattern)
figure, axes = canvas(9, 2.6, columns=5)
for head, axis in enumerate(axes[:4]):
    grid(axis, pattern[head], title=f"head {head}")
grid(axes[4], pattern.mean(0), title="their mean")
picture(figure)

# %% tags=["prose"]
guess.was(shared, f"{shared / whole:.0f} times the loss. What one head has found is blurred by what the others look for. Several narrow heads cost exactly as much as one wide head, and can ask several questions at once.")

# %% [markdown]
# ## Three experiments
#
# 1. Train the small model with `n_head=1`, 2, 4 and 16 (the width of a head becomes 64, 32, 16 and 4). Which is best after 150 steps? What do you think happens with 64 heads?
# 2. Replace `softmax` instead of attention: `replace(fused(), softmax=mine)`. Divide by `1 + sum` instead of `sum`, so that a head may read *nothing*. Does
#    the first token still get so much weight after training?
# 3. Set `LAYER = 0` and look at all four heads. Which looks at the token before, which spreads its attention, and how would you measure it with one number?
#
# ## Where the real code is
#
# - [kernels/attention.py](../glassformer/kernels/attention.py): `pattern`, `plain`, and the fused twin, with the formula above them.
# - [model/mixer/full.py](../glassformer/model/mixer/full.py): the projections and the cache around it.
# - [model/mixer/](../glassformer/model/mixer/): mixers that see only a window, or blocks, or have no pattern at all.
#
# Next: `./glass lessons open 05`, positions.
