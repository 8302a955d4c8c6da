# %% [markdown]
# # 00 · What a language model is
#
# A language model says how likely each continuation of a text is; here you go from counting pairs of letters to a trained GPT.
#
# This lesson gives the overview. If you would rather begin with the parts, go on to lessons 01, 02 and 03 and come back. You need some Python: lists, functions,
# loops. Run the cells from top to bottom (Shift + Enter). When a cell asks you something, type an answer and press Enter: you will remember the
# right one better if yours was wrong. New words are **bold** where they are explained, and [the glossary](../docs/glossary.md) has them all.
#
# The first cell only fetches tools and texts; you will meet the tools one by one. (Where you see `sized(1000, 60)`, you get the 1,000; the small number is for the
# automatic tests.) The stories in `held_out` are **held-out** text: no model learns from them, so they can test what a model has learned from the others.

# %%
import math
from collections import Counter, defaultdict

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.corpora.village.lexicon import CHILDREN, GIRLS
from glassformer.data.ngram import NGram
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import complete
from glassformer.kernels import fused, replace
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, Q, V, bars, canvas, shown
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped
from glassformer.tokenizers import TokenizerRecipe

village = Village()
stories = [village.story("train", i).text for i in range(sized(1000, 60))]
held_out = [village.story("validation", i).text for i in range(sized(60, 3))]
print(stories[0])
assert stories[0].startswith("Once there was a girl") and "what she loved most was" in stories[0]  # the text below speaks of these words

# %% [markdown]
# ## Guess the next word
#
# Cover the text with your hand and uncover it word by word. After *Once there was a* you would bet on *girl* or *boy*. After *what
# she loved most was* there are many possibilities. You have just done what a language model does: **given the words so far, say how
# likely each next word is.** Whoever can do this well can also write: choose a likely word, add it, and ask again.
#
# How do we measure how well? By the probability p that the model gave to the word that really came. We charge **-log2 p bits**, the number of times that
# you must halve 1 to get p: 0 for being certain and right, 1 for a fair coin (p = 1/2), 2 for p = 1/4, 10 for about one chance in a thousand. Surprises add up
# along a text, and their sum over held-out text, divided by its length in bytes (an English letter is one byte), is the score: **bits per byte**. Lower is better.

# %% [markdown]
# ## The simplest model: count pairs
#
# The pieces in which a model reads and writes are called **tokens**. They may be words, or parts of words (lesson 01); here we take
# single characters. Each token has a number, its **id**, and a **tokenizer** turns text into ids and back. We count which character follows which.

# %%
tokenizer = TokenizerRecipe.named("char").train(stories)
end = tokenizer.end_of_text


def ids_of(texts: list[str]) -> np.ndarray:
    """All texts as one row of ids, with a separator (end of text) before each."""
    return np.concatenate([[end, *tokenizer.encode(text)] for text in texts])


train, test = ids_of(stories), ids_of(held_out)
follows = defaultdict(Counter)
for left, right in zip(train.tolist(), train.tolist()[1:]):
    follows[left][right] += 1

t = tokenizer.token_id(b"t")
common = follows[t].most_common(8)
figure, axes = canvas(7, 2.4)
bars(axes, [shown(tokenizer.token_bytes[i]) for i, _ in common], [n / follows[t].total() for _, n in common],
     title="What follows a t, and how often (probability; ␣ is a space)")
picture(figure)
print(f"{len(train):,} characters, {tokenizer.vocab_size} different ones, {sum(map(len, follows.values())):,} different pairs")

# %% [markdown]
# A model that looks at one token before is called a **bigram** or 2-gram model. One that looks at four tokens before is a **5-gram**
# model, and in general we speak of **n-grams**. (`NGram.fit` counts. A long pair that was never seen gets some probability from the shorter ones; this
# is called smoothing.) Let them write: each character is drawn from the counted probabilities. (Claude Shannon did
# this by hand in 1948, with a book and a pencil.)

# %%
guess = predict("From which n on will most of the words be real ones?", ["2", "3", "5", "7"])

# %%
written = {}
counted = {n: NGram.fit(train, order=n, vocab_size=tokenizer.vocab_size) for n in (1, 2, 3, 5, 7)}
start = [end, *tokenizer.encode("One morning")]
for n, model in counted.items():
    written[n] = tokenizer.decode(model.sample(np.random.default_rng(4), start, sized(400, 20))).replace("\n", " ")
    print(f"{n}-gram: One morning{written[n][:150]}\n")

# %% tags=["prose"]
words = {word for story in stories for word in story.split()}
real = {n: sum(word in words for word in text.split()[1:-1]) / max(1, len(text.split()[1:-1])) for n, text in written.items()}
guess.was(next((str(n) for n in (2, 3, 5, 7) if real[n] > 0.5), "none of them"), f"The share of the written words that stand in a story is {', '.join(f'{share:.0%} ({n}-gram)' for n, share in real.items())}. "
          "But real words are no story: read the last line again. It does not know in its second sentence what it said in the first.")

# %%
levels = NGram.fit(train, order=9, vocab_size=tokenizer.vocab_size)
n_bytes = sum(len(tokenizer.token_bytes[i]) for i in test.tolist())


def bits_per_byte(nats: np.ndarray) -> float:
    """From the surprise of each token to bits per byte of text. Surprise is usually computed in **nats**, which are bits with
    the natural logarithm: -ln p instead of -log2 p, so a bit is ln 2 = 0.69 nats."""
    return float(nats[1:].sum() / math.log(2) / n_bytes)


by_order = [bits_per_byte(nats) for nats in levels.nats_of_orders(test)]
guess = predict(f"The 1-gram, which only knows how frequent characters are, needs {by_order[0]:.2f} bits for a byte of held-out text, the 2-gram "
                f"{by_order[1]:.2f}, the 3-gram {by_order[2]:.2f}. What about the 9-gram?")

# %%
figure, axes = canvas(7, 2.8)
axes.plot(range(1, 10), by_order, "o-", color=Q)
axes.set(xlabel="n", ylabel="bits per byte of held-out text", title="What counting can reach", ylim=0)
picture(figure)

# %% tags=["prose"]
guess.was(by_order[-1], f"The step from 1 to 2 saves {by_order[0] - by_order[1]:.2f}, the step from 8 to 9 only {by_order[7] - by_order[8]:.2f}. Why does it flatten? "
          "Because a long stretch of text has hardly ever been seen before.")

# %%
guess = predict("What share of the stretches of 40 characters (about seven words) in the held-out stories also stands somewhere in the training stories, in percent?")

# %%
def seen_before(n: int) -> float:
    """The share of the stretches of n characters of the held-out text that the training text has too."""
    known = {text[i : i + n] for text in stories for i in range(len(text) - n)}
    own = [text[i : i + n] for text in held_out for i in range(len(text) - n)]
    return sum(each in known for each in own) / len(own)


lengths = (5, 10, 20, 40, 60, 80, 120)
shares = {n: seen_before(n) for n in lengths}
figure, axes = canvas(7, 2.4)
axes.bar([str(n) for n in lengths], list(shares.values()), color=Q)
axes.set(xlabel="length of the stretch, in characters", ylabel="share seen before", title="Most long stretches are new")
picture(figure)

# %% tags=["prose"]
guess.was(round(100 * shares[40], 1), f"And {shares[120]:.1%} of the stretches of 120. The village repeats its phrases; in the texts of the web the share falls far faster. "
          "A model that counts has nothing to say about a text it has not seen. To do better, a model must notice that two texts are *similar* without being the same.")

# %% [markdown]
# ## A model that learns: GPT
#
# A **GPT** (generative pre-trained transformer) also says how likely every next token is. But it computes the answer, from all tokens so far, by millions of
# multiplications with numbers that were learned, its **weights** or **parameters**. One that was trained on the village comes with the project. Its text and its
# score (a `temperature` below 1 makes it prefer the likeliest tokens; lesson 08):

# %%
shipped = load(run_or_shipped("village-mini"))
gpt, its_tokenizer = shipped.model(), shipped.tokenizer()
print("One morning" + complete(gpt, its_tokenizer, ["One morning"], SamplingConfig(temperature=0.5, seed=3, max_new_tokens=sized(220, 5)))[0])


def surprise(text: str) -> torch.Tensor:
    """Nats of each token of a text that begins a document."""
    row = torch.tensor([[its_tokenizer.end_of_text, *its_tokenizer.encode(text)][:513]])
    with torch.no_grad():
        return gpt(row[:, :-1], targets=row[:, 1:])[0]


short = [text for text in held_out if len(its_tokenizer.encode(text)) <= 512]
of_gpt = sum(surprise(text).sum().item() for text in short) / math.log(2) / sum(len(text.encode()) for text in short)

# %%
figure, axes = canvas(7, 2.2)
bars(axes, ["1-gram", "2-gram", "3-gram", "5-gram", "9-gram", "GPT (village-mini)"], [by_order[i] for i in (0, 1, 2, 4, 8)] + [of_gpt], title="Bits per byte of held-out stories")
picture(figure)

# %% tags=["prose"]
say(f"The GPT needs {of_gpt:.2f} bits a byte, {by_order[8] / of_gpt:.1f} times less than the 9-gram. It has read many more stories than we have counted here, and it reads whole words, so "
    "this is not a fair race. (`./glass eval village-mini` makes it one: there the 5-gram counts the same text and the same tokens.) But look at *where* it is better.")

# %% [markdown]
# ## Break it
#
# What breaks a model that counts is a text that needs a memory: a name is said, some sentences follow, and then the text needs it again. We search the
# held-out stories for such a place, where the name is a child's. (For a fair comparison, this 5-gram counts the GPT's own tokens, which are words and parts of words.)

# %%
fitted = NGram.fit(np.concatenate([its_tokenizer.encode(text) for text in stories]), order=5, vocab_size=its_tokenizer.vocab_size)
places = []
for text in short:
    cut = its_tokenizer.encode(text)
    for at, (token, nats) in enumerate(zip(cut, surprise(text).tolist())):
        said = [i for i in range(at) if cut[i] == token]
        if said and at - said[-1] > 20 and its_tokenizer.decode([token]).strip() in CHILDREN and nats < 0.05:
            places.append((fitted.distribution(cut[at - 4 : at])[token], cut[:at], token))
by_chance, context, asked = min(places, key=lambda place: place[0])
print(its_tokenizer.decode(context), "...")
guess = predict("The text goes on with a name. What probability does the 5-gram, which has counted thousands of names, give to the right one, in percent?")

# %%
def after(ids: list[int]) -> torch.Tensor:
    """(V,): the GPT's probability of each token after these."""
    with torch.no_grad():
        return gpt(torch.tensor([[its_tokenizer.end_of_text, *ids]]))[0, -1].softmax(-1)


by_count, by_gpt = fitted.distribution(context[-4:]), after(context)
figure, axes = canvas(10, 2.4, columns=2)
for axis, name, p, colour in ((axes[0], "5-gram", torch.tensor(by_count), ACCENT), (axes[1], "GPT", by_gpt, Q)):
    best = p.topk(7)
    bars(axis, [shown(its_tokenizer.token_bytes[i]) for i in best.indices.tolist()], best.values.tolist(), colour=colour, title=f"{name}: which name comes next?")
picture(figure)
name, before = its_tokenizer.decode([asked]).strip(), its_tokenizer.decode(context)
other = next(each for each in ("Nora", "Clara", "Walt", "Emil") if (each in GIRLS) == (name in GIRLS) and each not in before)
followed = after(its_tokenizer.encode(before.replace(name, other)))[its_tokenizer.token_id(f" {other}".encode())].item()

# %% tags=["prose"]
guess.was(round(100 * float(by_count[asked]), 4), f"The name is *{name}*, and the GPT gives it {by_gpt[asked].item():.0%}. The 5-gram sees four tokens, and the name is not among them, so it lists what often followed these four. "
          "No larger count would help: the number of possible texts between the two places is without end. The GPT looks back at the place where the name was said: if we write "
          f"*{other}* for *{name}* in all of the text before, it gives {followed:.0%} to *{other}*. The part that looks back is called **attention**.")

# %% [markdown]
# ## Build it
#
# Write a bigram model yourself. `follows[left][right]` says how often `right` came after `left`, `follows[left].total()` how often anything came after it.
# One trap: a pair that was never counted must not get probability 0, for if it occurs, its surprise is infinite. The oldest remedy is to add a little
# (`added`) to the count of every one of the `tokenizer.vocab_size` tokens.
#
# Put your line in place of the three dots. The cell after it is folded: it holds a function that works, which takes over where the dots are still
# there. Open it when you have written your own, or when you are stuck.

# %%
def my_bigram(left: int, right: int, added: float = 0.1) -> float:
    """The probability of `right` after `left`."""
    return ...

# %% tags=["solution"]
def one_that_works(left: int, right: int, added: float = 0.1) -> float:
    return (follows[left][right] + added) / (follows[left].total() + added * tokenizer.vocab_size)


if my_bigram(t, t) is ...:
    my_bigram = one_that_works

# %%
assert abs(sum(my_bigram(t, i) for i in range(tokenizer.vocab_size)) - 1) < 1e-9, "the probabilities of all tokens after a t must sum to 1"
mine = np.array([0.0] + [-math.log(my_bigram(a, b)) for a, b in zip(test.tolist(), test.tolist()[1:])])
print(f"your bigram {bits_per_byte(mine):.3f} bits a byte, the package's {by_order[1]:.3f}: with so few pairs, clever smoothing is not needed")

# %% [markdown]
# ## Put it into the real model
#
# Now the most instructive experiment of this lesson. We train two small GPTs on the same text. In one of them we replace attention by a
# function that lets every token read *only itself*. (`replace` puts a function of yours into the real model.)
#
# **Training** goes in steps. In each step the model reads some stretches of text and is charged its surprise at every next token; the mean is the **loss**. Then each
# weight is changed a little, in the direction that makes the loss smaller. `learn` does that and returns the loss of each step (lesson 07 opens it).

# %%
def only_myself(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """Attention without looking back: q and k, which say what to look for, are not used, and every token gets its own value v."""
    return v


steps = sized(250, 3)
# the sizes of a small GPT: lesson 03 explains layers, heads and embeddings
shape = GPTConfig(vocab_size=tokenizer.vocab_size, n_layer=2, n_head=4, n_embd=sized(64, 16), context_length=64)
windows = Sampler.named("windows").build(Split.of(train, end), context_length=64, batch_size=16, seed=0)
exact = [nats[1:].mean() for nats in levels.nats_of_orders(test)]
guess = predict(f"In nats per character, the bigram reaches {exact[1]:.2f} and the 5-gram {exact[4]:.2f}. Where will the GPT without attention end?",
                ["far above the bigram", "about at the bigram", "about at the 5-gram", "far below the 5-gram"])

# %%
kinds = {"with attention": fused(), "without": replace(fused(), attention=only_myself)}
small = {name: GPT(shape, kernels=kernels, seed=0) for name, kernels in kinds.items()}
curves = {name: learn(model, windows, steps) for name, model in small.items()}
figure, axes = canvas(7.5, 3.2)
for (name, curve), colour in zip(curves.items(), (Q, ACCENT)):
    smooth = np.convolve(curve, np.ones(min(10, len(curve))) / min(10, len(curve)), "valid")
    axes.plot(smooth, color=colour, label=f"GPT {name}")
for n in (1, 2, 3, 4, 5):
    axes.axhline(exact[n - 1], color=V, linewidth=0.8, linestyle="--")
    axes.text(len(curve), exact[n - 1], f" {n}-gram", va="center", color=V, fontsize=8)
axes.set(xlabel="step", ylabel="loss (nats per character)", title="A GPT that cannot look back becomes a bigram model")
axes.legend()
picture(figure)

# %% tags=["prose"]
last = {name: float(np.mean(curve[-20:])) for name, curve in curves.items()}
guess.was("about at the bigram", f"It ends at {last['without']:.2f}, and the one that looks back at {last['with attention']:.2f} nats after {steps} steps, still falling. Without attention a character knows only itself, so the best that it can learn "
          "is which character follows which: exactly what you have counted. **Everything that a GPT can do beyond a table of pairs, it can do because it looks back.**")

# %% [markdown]
# ## Three experiments
#
# 1. Replace attention by one that reads only the token before: return `torch.roll(v, 1, dims=2)`, which moves every value one place to the right. Train as above: `learn(GPT(shape,
#    kernels=replace(fused(), attention=yours), seed=0), windows, steps)`. Predict first between which two n-grams it ends. (It has two layers. How far back does it see?)
# 2. Count on 100 stories instead of 1,000: `NGram.fit(ids_of(stories[:100]), order=9, vocab_size=tokenizer.vocab_size)`, and then `by_order` as above. Which loses more, the 2-gram or the 9-gram, and why?
# 3. Ask what comes after "A boy named Gus had a goose called Nora. Nora would not eat. Gus stroked": `after(its_tokenizer.encode("..."))`, and `.topk(3)` of that. Which name does the GPT think of? (In the village a child
#    may have any name, but every goose is called Duchess.) Which other things may it know by heart, instead of reading them in the text?
#
# ## Where the real code is
#
# - [data/ngram.py](../glassformer/data/ngram.py): n-grams with the best smoothing there is; every model of this project is compared with them.
# - [model/gpt.py](../glassformer/model/gpt.py): the GPT. [corpora/village/](../glassformer/corpora/village/__init__.py): the world that tells the stories.
# - [lab/evaluate.py](../glassformer/lab/evaluate.py): the score, and the other questions that `./glass eval` asks.
#
# Next: `./glass lessons open 01`, the tokenizer.
