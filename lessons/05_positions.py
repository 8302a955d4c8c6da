# %% [markdown]
# # 05 · Positions
#
# Attention alone does not know the order of words; here are the ways to tell it, and what happens beyond the length that a model was trained on.

# %%
import math

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.kernels import attention, fused, replace, rope
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, K, Q, V, canvas, grid
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.position.alibi import slopes
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped
from glassformer.tokenizers import TokenizerRecipe

checkpoint = load(run_or_shipped("village-mini"))
model, tokenizer = checkpoint.model().requires_grad_(False), checkpoint.tokenizer()
story = Village().story("validation", 1).text
row = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(story)][: sized(300, 40)]])

# %% [markdown]
# ## Without positions
#
# Look at the formula of attention again: `softmax(q . k) v`. Where does it say that one word stands *before* another? Nowhere. A sum does not
# care about the order of its terms. We take the trained model's queries, keys and values of one head, before any position is added, shuffle the keys
# together with their values, and ask what the last token reads.

# %%
mixer, T = model.blocks[1].mixer, 24
x = model.blocks[1].mixer_norm(model.embed(row[:, :T]))
q, k, v = (p(x).unflatten(-1, (-1, mixer.head_dim)).transpose(1, 2)[:, :1] for p in (mixer.q_proj, mixer.k_proj, mixer.v_proj))
q, k = mixer.q_norm(q), mixer.k_norm(k)  # (B, one head, T, D)
guess = predict("What the last token reads, before and after the other tokens are shuffled: is it the same vector?", ["yes, the same", "no, another one"])

# %%
shuffled = torch.cat([torch.randperm(T - 1, generator=torch.Generator().manual_seed(0)), torch.tensor([T - 1])])
before = attention.plain(q, k, v)[0, 0, -1]
after = attention.plain(q, k[:, :, shuffled], v[:, :, shuffled])[0, 0, -1]
print(f"largest difference: {(before - after).abs().max():.1e}")

# %% tags=["prose"]
same = torch.allclose(before, after, atol=1e-4)
guess.was("yes, the same" if same else "no, another one", "*The dog bit the man* and *the man bit the dog* would be the same to the last word. A model must be told the order.")

# %% [markdown]
# ## Absolute: add a vector for each place
#
# GPT-2 has a second table, with one vector for place 0, one for place 1 and so on. It is added to the embedding of the token, and learned like everything else.
# The original transformer used sines and cosines of different wavelengths instead. Here they are, for 64 places:

# %%
sines = GPT(GPTConfig(vocab_size=50, n_embd=64, n_head=4, n_layer=1, context_length=64, position="sinusoidal")).requires_grad_(False)
waves = sines.position.add(torch.zeros(1, 64, 64), torch.arange(64))[0]
figure, axes = canvas(8, 3)
grid(axes, waves.T, signed=True, title="Sinusoidal positions: a column is what is added at that place")
axes.set(xlabel="place", ylabel="number of the vector")
picture(figure)

# %% [markdown]
# Absolute positions have a weakness: what the model learns about place 7 it must learn again for place 8. But in language the *distance* matters: an adjective
# stands one place before its noun, wherever the noun is.
#
# ## Relative: RoPE turns the vectors
#
# **RoPE** (rotary positions) does something elegant. Take the numbers of a query in pairs, as points in a plane. Turn each point by an angle that grows with the place of the
# token; the first pair turns fast, the last one slowly. Keys are turned in the same way.

# %%
D = mixer.head_dim
theta = rope.frequencies(D, 10_000.0, torch.device("cpu"))  # the speed of each pair, in radians per token
places = torch.arange(12)
figure, axes = canvas(9, 3, columns=3)
for axis, pair in zip(axes, (0, 4, 10)):
    point = torch.complex(q[0, 0, -1, pair], q[0, 0, -1, pair + D // 2])
    turned = point * torch.exp(1j * places * theta[pair])
    axis.plot(turned.real, turned.imag, "o", color=Q)
    for place in (0, 1, 2, 3):
        axis.annotate(str(place), (turned.real[place].item(), turned.imag[place].item()), xytext=(4, 4), textcoords="offset points")
    reach = 1.3 * point.abs().item()
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=f"pair {pair}: {theta[pair] * 180 / math.pi:.1f} degrees per place")
picture(figure)

# %% [markdown]
# If a query at place m is turned by m steps, and a key at place n by n steps, their dot product depends on the angle *between* them, which is m - n steps. So
# take one query and one key of the model, and put them at all pairs of places:

# %%
guess = predict("In the matrix of scores (query at place m, key at place n), which entries are equal?", ["those in a row", "those in a column", "those along a diagonal"])

# %%
n = 24
one_q, one_k = (t[:, :, -1:].expand(1, 1, n, D) for t in (q, k))
turned_q, turned_k = rope.plain(one_q, one_k, torch.arange(n)[:, None] * theta)
scores = (turned_q @ turned_k.transpose(-2, -1))[0, 0] / math.sqrt(D)
figure, axes = canvas(4.6, 3.8)
grid(axes, scores, signed=True, title="One query and one key at all pairs of places")
axes.set(xlabel="place of the key", ylabel="place of the query")
picture(figure)

# %% tags=["prose"]
steady = torch.allclose(scores[1:, 1:], scores[:-1, :-1], atol=1e-3)
guess.was("those along a diagonal" if steady else "no entries", "On a diagonal the distance m - n is the same. **RoPE writes an absolute place into each vector, and only distances come out.**")

# %% [markdown]
# ## ALiBi: what is far counts less
#
# **ALiBi** is even simpler: subtract from each score the distance times a number. Each head has its own number, so some look near and some look far. Nothing is learned.

# %%
figure, axes = canvas(9, 2.6, columns=4)
for axis, slope in zip(axes, slopes(4)):
    distance = (torch.arange(n)[:, None] - torch.arange(n)).float()
    grid(axis, torch.where(distance >= 0, -slope * distance, torch.nan), signed=True, most=n * 0.25, title=f"{slope:.3f} per token")
picture(figure)

# %% [markdown]
# ## Break it
#
# The shipped model uses RoPE. It passes through the kernel `rope(q, k, angle)`, so we can turn at the angles ourselves. Four ways to damage them:

# %%
def loss_with(change) -> float:
    """The loss of the trained model (nats per token) when its angles (T, D/2) are changed."""
    def turned(q, k, angle, temperature=1.0):
        return rope.plain(q, k, change(angle), temperature)

    changed = checkpoint.model(kernels=replace(fused(), rope=turned)).requires_grad_(False)
    return changed(row[:, :-1], targets=row[:, 1:]).mean().item()


ways = {
    "as trained": lambda angle: angle,
    "all 1,000 places later": lambda angle: angle + 1000 * theta,
    "twice the distances": lambda angle: 2 * angle,
    "half the distances": lambda angle: angle / 2,
    "all at one place": lambda angle: 0 * angle,
}
guess = predict("Which of these changes does *not* hurt at all?", [name for name in ways if name != "as trained"])

# %%
losses = {name: loss_with(change) for name, change in ways.items()}
figure, axes = canvas(7, 2.4)
axes.barh(list(losses), list(losses.values()), color=ACCENT)
axes.invert_yaxis()
axes.set(title="Loss with changed positions (nats per token)")
for i, value in enumerate(losses.values()):
    axes.text(value, i, f" {value:.2f}", va="center", fontsize=8)
picture(figure)

# %% tags=["prose"]
best = min((name for name in losses if name != "as trained"), key=losses.__getitem__)
guess.was(best, f"Moving everything changes no distance: {losses[best]:.4f} against {losses['as trained']:.4f}. With all tokens at one place the loss is {losses['all at one place']:.2f}: the model still knows "
          "which tokens there are (and, through the mask, roughly how many), and nothing of their order.")

# %% [markdown]
# ## Build it
#
# Write RoPE yourself. Half the numbers are the x coordinates of the pairs, the other half their y coordinates, and turning a point (x, y) by an angle a gives
# (x cos a - y sin a, x sin a + y cos a). (`vectors.chunk(2, dim=-1)` gives the two halves, and `torch.cat([x, y], dim=-1)` puts two halves together.)
#
# Put your lines in place of `return ...`. The folded cell holds a function that works, which takes over where the three dots are still there.

# %%
def my_rope(q, k, angle, temperature=1.0):
    """q and k (B, H, T, D), angle (T, D/2) -> both turned, and multiplied by the temperature."""
    return ...

# %% tags=["solution"]
def one_that_works(q, k, angle, temperature=1.0):
    def turn(vectors):
        x, y = vectors.chunk(2, dim=-1)
        return torch.cat([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], dim=-1)
    return temperature * turn(q), temperature * turn(k)


if my_rope(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2), torch.zeros(1, 1)) is ...:
    my_rope = one_that_works

# %%
assert torch.allclose(my_rope(one_q, one_k, places[:, None].repeat(2, 1) * theta)[0], rope.plain(one_q, one_k, places[:, None].repeat(2, 1) * theta)[0], atol=1e-5)
mine = checkpoint.model(kernels=replace(fused(), rope=my_rope)).requires_grad_(False)
print(f"the model's loss with your RoPE {mine(row[:, :-1], targets=row[:, 1:]).mean():.4f}, with the package's {losses['as trained']:.4f}")

# %% [markdown]
# ## Put it into the real model
#
# Now the question that decides which of them is used today. We train small models of characters on rows of **64** characters, each with another `position`, and
# then let them read **256**. Where does the loss go, beyond the length that they were trained on?

# %%
stories = [Village().story("train", i).text for i in range(sized(600, 20))]
unseen = [Village().story("validation", i).text for i in range(sized(60, 4))]
characters = TokenizerRecipe.named("char").train(stories + unseen)  # every character needs an id
train = np.concatenate([[characters.end_of_text, *characters.encode(each)] for each in stories])
batches = Sampler.named("windows").build(Split.of(train, characters.end_of_text), context_length=64, batch_size=16, seed=0)
steps, kinds = sized(120, 2), sized(["none", "learned", "rope", "alibi"], ["none", "learned"])
guess = predict("Which one will read 256 characters best, after training on 64?", ["none", "learned", "rope", "alibi"])

# %%
held_out = np.concatenate([characters.encode(each) for each in unseen])
test = torch.tensor(held_out[: len(held_out) // 257 * 257].reshape(-1, 257))[: sized(60, 1)]
curves, by_place = {}, {}
for kind in kinds:
    shape = GPTConfig(vocab_size=characters.vocab_size, n_layer=2, n_head=4, n_embd=sized(64, 16), context_length=256, position=kind)
    small = GPT(shape, seed=0)
    curves[kind] = learn(small, batches, steps)
    with torch.no_grad():
        by_place[kind] = small(test[:, :-1], targets=test[:, 1:]).mean(0).unflatten(0, (16, 16)).mean(1)

figure, axes = canvas(9, 3.2, columns=2)
for (kind, curve), colour in zip(curves.items(), ("#8a8f99", K, Q, V)):
    axes[0].plot(np.convolve(curve, np.ones(min(10, steps)) / min(10, steps), "valid"), color=colour, label=kind)
    axes[1].plot(np.arange(16) * 16 + 8, by_place[kind], "o-", color=colour, label=kind, markersize=3)
axes[0].set(xlabel="step", ylabel="loss", title="Training on 64 characters")
axes[1].axvline(64, color="#8a8f99", linestyle="--", linewidth=1)
axes[1].set(xlabel="place in the text", ylabel="loss", title="Reading 256 characters")
axes[1].legend()
picture(figure)

# %% tags=["prose"]
inside = {kind: line[1:4].mean().item() for kind, line in by_place.items()}
beyond = {kind: line[8:].mean().item() for kind, line in by_place.items()}
guess.was(min(beyond, key=beyond.__getitem__), f"Inside the 64 characters / far beyond them: {'; '.join(f'{kind} {inside[kind]:.2f} / {beyond[kind]:.2f}' for kind in by_place)}. "
          "The learned table has rows for these places, but no training has ever touched them. With ALiBi a distance that was never seen only means 'further'. "
          "RoPE turns by angles that the model has not met; how much that hurts depends on the model and on how long it was trained.")

# %% tags=["prose"]
say(f"And *none* is not as bad as one might think ({inside['none']:.2f}): the mask itself tells a little about the place, since the first token sees one token and the hundredth sees a hundred. In this "
    "project `model.position.scaling` slows RoPE's angles down so that long texts look like short ones (the *half the distances* of above, done cleverly), and a short training on long texts does the rest.")

# %% [markdown]
# ## Three experiments
#
# 1. In `ways`, try `lambda angle: -angle` (the mirror image). Does the model notice? Explain what happens to the sign of each distance.
# 2. Turn only the slow pairs: set the first half of the angles to 0, then only the second half. Which half carries the order of neighbours, and which the rough place?
# 3. Train `rope` with `GPTConfig(position={"name": "rope", "base": 100})`, then with a base of a million. What changes inside 64 characters, what beyond?
#
# ## Where the real code is
#
# - [kernels/rope.py](../glassformer/kernels/rope.py): the formula, plain and fused.
# - [model/position/](../glassformer/model/position/): one file for each scheme; [positions.py](../glassformer/model/positions.py) applies them.
# - [model/position/rope/scaling/](../glassformer/model/position/rope/scaling/): how RoPE is stretched for longer texts (linear, NTK, YaRN, Llama 3).
#
# Next: `./glass lessons open 06`, norms and depth.
