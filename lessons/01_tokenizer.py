# %% [markdown]
# # 01 · The tokenizer
#
# A model computes with numbers, so text must become numbers first; the tokenizer does this, and everything else depends on it.
#
# You need no earlier lesson for this one. You need some Python: lists, functions, loops. Run the cells from top to bottom
# (Shift + Enter). Where a cell asks you something, type an answer and press Enter before you go on: a wrong guess teaches
# more than a right sentence. New words are **bold** where they are explained, and [the glossary](../docs/glossary.md) has
# them all.
#
# The first cell fetches the tools and the texts. (Where you see `sized(1000, 60)`, you get the 1,000; the small number is for
# the automatic tests.) A tokenizer learns from `stories`, and we try it on `held_out`, stories that it has not seen.

# %%
from collections import Counter

from glassformer.corpora.village import Village
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, Q, bars, canvas, shown, text
from glassformer.tokenizers import TokenizerRecipe
from glassformer.tokenizers.bpe import plain_encode, plain_learn

village = Village()
stories = [village.story("train", i).text for i in range(sized(1000, 60))]
held_out = [village.story("validation", i).text for i in range(sized(50, 5))]
print(stories[0])

# %% [markdown]
# This is the text of all lessons: stories from a small simulated village. The project can write as many of them as you like.
#
# ## Letters are numbers already
#
# A computer stores text as **bytes**, numbers from 0 to 255. An English letter takes one byte, other characters take more.
# So the simplest tokenizer does nothing: it hands the bytes to the model. (In Python, `text.encode()` gives the bytes of a
# text, and `b"key"` writes bytes directly.)

# %%
for word in ("key", "naïve", "🐢"):
    print(f"{word!r:10} {list(word.encode())}")

# %% tags=["prose"]
n_bytes = len(stories[0].encode())
say(f"The story above has {len(stories[0].split())} words and {n_bytes:,} bytes. A model that reads bytes must take "
    f"{n_bytes:,} steps through it, and it must learn to spell before it can learn anything about villages. That works, and "
    "it is slow: the work of a transformer grows at least in proportion to the number of steps.")

# %% [markdown]
# So let us give a number to something larger than a byte. A piece of text that has a number of its own is a **token**. The
# list of all tokens is the **vocabulary**, and the number of a token is its **id**. The project has several kinds of
# tokenizers, and all of them learn their vocabulary from text.

# %%
kinds = {
    "byte": TokenizerRecipe.named("byte"),
    "char": TokenizerRecipe.named("char"),
    "word": TokenizerRecipe.named("word"),
    "bpe": TokenizerRecipe.named("bpe", vocab_size=2048),
}
trained = {name: recipe.train(stories) for name, recipe in kinds.items()}
story = held_out[0]
for name, tokenizer in trained.items():
    print(f"{name:5} {tokenizer.vocab_size:6,} tokens in the vocabulary, {len(tokenizer.encode(story)):5,} tokens in the story")

# %%
sentence = "A crocodile lives in the mill, and it is Åsa's."
guess = predict(
    "The word tokenizer needs the fewest tokens for the story. Now we write a sentence of which some words are in no training "
    f"story: *{sentence}* Which tokenizers can still give it back exactly?",
    ["all four", "all but word", "only byte and bpe", "only byte"],
)

# %%
for name, tokenizer in trained.items():
    print(f"{name:5} gives it back: {tokenizer.covers(sentence)}")

# %% tags=["prose"]
able = [name for name, tokenizer in trained.items() if tokenizer.covers(sentence)]
guess.was({("byte", "bpe"): "only byte and bpe"}.get(tuple(able), ", ".join(able)),
          "Characters and words that never occurred in the training text have no id. A tokenizer that starts from the 256 "
          "bytes covers every text there is, whatever the language, and BPE starts from them too.")

# %% [markdown]
# ## The idea of BPE
#
# **BPE** (byte-pair encoding) takes the middle way: frequent words become one token, rare words are spelled. Its training
# is one sentence long. *Start with single bytes, count all pairs of neighbours, join the most frequent pair into a new
# token, and repeat.* Here are four words, and how often each of them occurs.

# %%
words = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}
guess = predict(
    "Which pair of neighbours is joined first? Count: a pair scores for each word that has it, as often as the word occurs.",
    ["l o", "e s", "w e", "s t"],
)

# %%
pairs = Counter()
for word, times in words.items():
    for left, right in zip(word.decode(), word.decode()[1:]):
        pairs[f"{left} {right}"] += times
figure, axes = canvas(7, 3)
bars(axes, [pair for pair, _ in pairs.most_common()], [n for _, n in pairs.most_common()],
     title="How often each pair of neighbours occurs")
picture(figure)
learned = plain_learn(words, n_merges=6)
for number, (left, right) in enumerate(learned, 1):
    print(f"merge {number}: {left.decode()} + {right.decode()}")

# %% tags=["prose"]
first = " ".join(part.decode() for part in learned[0])
tied = [pair for pair, n in pairs.items() if n == pairs[first]]
guess.was(first, f"It occurs {pairs[first]} times. So does {' and '.join(pair for pair in tied if pair != first) or 'no other'}: "
          "of equally frequent pairs, this project takes the one that comes last in the alphabet, so that the same text always "
          "gives the same tokenizer.")

# %% [markdown]
# Joining a pair is called a **merge**. The list of merges, in order, is all that a BPE tokenizer has learned. To encode a new
# word, start from its bytes and join pairs, always the pair that was learned first. `plain_encode` does that in six lines;
# write `plain_encode??` into a cell and run it to read them.

# %%
for word in (b"lowest", b"wider", b"slow"):
    print(f"{word.decode():8}", [token.decode() for token in plain_encode(word, learned)])

# %% [markdown]
# *lowest* was not among the words, and yet it comes out in meaningful parts. Nobody told the tokenizer what a stem or an
# ending is; counting was enough.
#
# **Change a token.** Add `b"slow": 10` to `words` above. Which pair will be joined first now? Count, then run the three cells
# again. Is `slow` one token?
#
# ## See it on real text
#
# The same training on the village, with different sizes of the vocabulary.

# %%
sizes = sized([257, 300, 400, 600, 1000, 1500, 2048, 3000], [257, 400])
of_size = {size: TokenizerRecipe.named("bpe", vocab_size=size).train(stories) for size in sizes}
n_bytes = sum(len(each.encode()) for each in held_out)
per_token = {size: n_bytes / sum(len(t.encode(each)) for each in held_out) for size, t in of_size.items()}

guess = predict(f"With {sizes[0]} ids (256 bytes, and one that marks the end of a text) every byte is a token: {per_token[sizes[0]]:.1f} bytes a token. How many bytes does a "
                f"token have on average with {sizes[-1]:,} ids, {sizes[-1] / sizes[0]:.0f} times as many?")

# %%
figure, axes = canvas(7, 3)
axes.plot([tokenizer.vocab_size for tokenizer in of_size.values()], list(per_token.values()), "o-", color=Q)
axes.set(xlabel="size of the vocabulary", ylabel="bytes per token", title="A larger vocabulary shortens the text, but ever less", ylim=0)
picture(figure)

# %% tags=["prose"]
half = sizes[len(sizes) // 2]
guess.was(per_token[sizes[-1]], f"With {half:,} ids it is already {per_token[half]:.2f}. Each token costs the model a row of "
          "numbers of its own (lesson 03), and the model must see the token often enough to learn what it means. So a vocabulary is large enough when another "
          "token would hardly be used. The village's models have 2,048 tokens; GPT-2 has 50,257 for the texts of the web.")

# %%
tokenizer = trained["bpe"]
pieces = [tokenizer.decode([i]) for i in tokenizer.encode(story[:600])]
picture(text(pieces, title="The beginning of a story; each box is one token, ␣ is a space, ↵ a line break"))

# %% [markdown]
# Look closely. Most words are one token, and their space belongs to them: `␣the` is one token, and so `the` without a space
# (at the beginning of a text) is another one. Names that occur often are one token, rare ones are spelled.

# %% [markdown]
# ## Break it
#
# A tokenizer is good at the text it was trained on. Let us give ours something else.

# %%
others = {
    "a village story": held_out[1][:400],
    "German": "Der Müller verlor am Morgen seinen Schlüssel und suchte ihn überall.",
    "Python": "for i in range(10):\n    total += values[i] ** 2  # squares\n",
    "numbers": "3.14159 2.71828 1.41421 1.73205 2.23606",
    "emoji": "🐢🌦️🔑🏡",
}
guess = predict("How many bytes per token does the same tokenizer reach on Python code?")

# %%
reached = {name: len(other.encode()) / len(tokenizer.encode(other)) for name, other in others.items()}
figure, axes = canvas(7, 2.4)
bars(axes, list(reached), list(reached.values()), colour=ACCENT, title="Bytes per token of the village's tokenizer")
picture(figure)
print([shown(tokenizer.token_bytes[i]) for i in tokenizer.encode(others["Python"])])

# %% tags=["prose"]
guess.was(reached["Python"], f"On its own stories it is {reached['a village story']:.1f}. A model pays for this twice: the text is longer, "
          "and its tokens are ones that the model has hardly ever seen. This is why a model for code or for German gets a "
          "tokenizer that was trained on code or German.")

# %% [markdown]
# Two more ways to break it. A token may be half a character, so a text that is cut between two tokens may end in half an
# emoji. And somebody may write the name of a **special token** into their text: `<|endoftext|>` marks the end of a document,
# and a user who could end documents could confuse a chat program.

# %%
turtle = tokenizer.encode("🐢")
print(f"the turtle has {len(turtle)} tokens; the first half of it reads {tokenizer.decode(turtle[:2])!r}")
typed = tokenizer.encode("<|endoftext|>")
print(f"typed by a user: {len(typed)} tokens of plain text; the real one has the id {tokenizer.end_of_text}")
assert tokenizer.end_of_text not in typed

# %% [markdown]
# ## Build it
#
# BPE is not the only way to use a vocabulary. A simpler rule is *longest match*: at each place take the longest token that
# fits, then go on behind it. Write it: the function gets bytes and a set of tokens, and returns a list of tokens, so that
# `longest_match(b"lowest", {b"l", b"o", b"w", b"e", b"s", b"t", b"lo", b"low"})` is `[b"low", b"e", b"s", b"t"]`.
#
# Put your lines in place of `return ...`. The cell after it is folded: it holds a function that works, which takes over where
# the three dots are still there. Open it when you have written your own, or when you are stuck.

# %%
def longest_match(text: bytes, vocabulary: set[bytes]) -> list[bytes]:
    """The tokens of a text: always the longest one of the vocabulary that fits."""
    return ...

# %% tags=["solution"]
def one_that_works(text: bytes, vocabulary: set[bytes]) -> list[bytes]:
    tokens, at = [], 0
    longest = max(map(len, vocabulary))
    while at < len(text):
        end = min(len(text), at + longest)
        while text[at:end] not in vocabulary:  # shorter and shorter, until it is a token
            end -= 1
        tokens.append(text[at:end])
        at = end
    return tokens


if longest_match(b"a", {b"a"}) is ...:
    longest_match = one_that_works

# %%
vocabulary = {token for token in tokenizer.token_bytes if token}
assert longest_match(b"lowest", {b"l", b"o", b"w", b"e", b"s", b"t", b"lo", b"low"}) == [b"low", b"e", b"s", b"t"]
assert b"".join(longest_match(story.encode(), vocabulary)) == story.encode(), "something of the story is lost"
guess = predict("Both use the same vocabulary. Which one makes fewer tokens of the held-out stories?",
                ["BPE", "longest match", "exactly the same"])

# %%
by_bpe = sum(len(tokenizer.encode(each)) for each in held_out)
by_length = sum(len(longest_match(each.encode(), vocabulary)) for each in held_out)
print(f"BPE {by_bpe:,} tokens, longest match {by_length:,}")
cut = {each: longest_match(each.encode(), vocabulary) for each in {word for one in held_out for word in one.split()}}
differ = [each for each, tokens in sorted(cut.items()) if tokens != [tokenizer.token_bytes[i] for i in tokenizer.encode(each)]]
for each in differ[:6]:
    print(f"{each:14} BPE {[shown(tokenizer.token_bytes[i]) for i in tokenizer.encode(each)]}  longest {[shown(t) for t in cut[each]]}")

# %% tags=["prose"]
fewer = "BPE" if by_bpe < by_length else "longest match" if by_length < by_bpe else "exactly the same"
guess.was(fewer, f"They differ by {abs(by_bpe - by_length) / by_bpe:.1%}. Which of them is used matters little. That the model is "
          "trained and used with *the same one* matters very much, as you will see now.")

# %% [markdown]
# ## Put it into the real model
#
# A trained model comes with the project: `village-mini`. It computes with 2.2 million numbers, its **parameters** or
# **weights**, which training has set, and it has its own BPE vocabulary. We let it read
# one story three times, cut into tokens in three ways: by its own tokenizer, by your `longest_match`, and as single bytes
# (all 256 bytes are in its vocabulary, so this is allowed). The text is the same every time.
#
# We measure how surprised the model is, in **bits per byte**: how many yes-or-no questions each byte of the text costs it.
# Lower is better, and 8 would be a model that knows nothing at all, for a byte is one of 256 = 2^8. (How this number comes
# about is the subject of lessons 03 and 07. You need not read `bits_per_byte` now: it gives the model the ids and adds up its
# surprise.)

# %%
import math

import torch

from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped

shipped = load(run_or_shipped("village-mini"))
model, its_own = shipped.model(), shipped.tokenizer()
entries = {token for token in its_own.token_bytes if token}


def bits_per_byte(ids: list[int], n_bytes: int) -> float:
    """How surprised the model is by a text of so many bytes, which begins a document."""
    row = torch.tensor([[its_own.end_of_text, *ids][: model.config.context_length + 1]])
    with torch.no_grad():
        nats = model(row[:, :-1], targets=row[:, 1:])
    return nats.sum().item() / math.log(2) / n_bytes


sample = held_out[0][:400]
ways = {
    "its own tokens": its_own.encode(sample),
    "longest match": [its_own.token_id(token) for token in longest_match(sample.encode(), entries)],
    "single bytes": [its_own.token_id(bytes([byte])) for byte in sample.encode()],
}
assert all(its_own.decode(ids) == sample for ids in ways.values())
cost = {name: bits_per_byte(ids, len(sample.encode())) for name, ids in ways.items()}
guess = predict(f"With its own tokens the model needs {cost['its own tokens']:.2f} bits a byte. How many with the same text as single bytes?")

# %%
figure, axes = canvas(7, 1.9)
bars(axes, list(cost), list(cost.values()), title="Bits per byte of the same text, cut in three ways")
picture(figure)

# %% tags=["prose"]
guess.was(cost["single bytes"], f"The same letters cost {cost['single bytes'] / cost['its own tokens']:.0f} times as much "
          f"({cost['its own tokens']:.2f} bits a byte with its own tokens, {cost['longest match']:.2f} with longest match). "
          "That is worse than the 8 bits of a model that knows nothing, because this one is sure of something else. It has never "
          "seen letters, only ids. To it, a word spelled in bytes is a foreign language. "
          "**A tokenizer and a model belong together**, which is why this project saves the tokenizer with the weights.")

# %% [markdown]
# ## Three experiments
#
# 1. Train `TokenizerRecipe.named("bpe", vocab_size=2048, pattern="none")`. The pattern decides where words are cut before
#    merging; without it, merges may join words. Look at its longest tokens (`sorted(t.token_bytes, key=len)[-10:]`). Are there fewer tokens?
# 2. Train on 10 stories instead of 1,000, with the same `vocab_size`. How large does its vocabulary get (`.vocab_size`), and how
#    many bytes per token does it reach on `held_out`? What has it learned by heart?
# 3. Write a text of which the village's tokenizer makes *more* tokens than it has bytes, or show why that is impossible.
#
# In the terminal, `./glass tokenize "One morning" --replay` shows the merges of a word one after another.
#
# ## Where the real code is
#
# - [tokenizers/bpe/\_\_init\_\_.py](../glassformer/tokenizers/bpe/__init__.py): `plain_learn` and `plain_encode`, which you used here;
#   the fast ways to the same answers are beside it, and the tests compare them.
# - [tokenizers/](../glassformer/tokenizers/): one file for each kind: bytes, characters, words, WordPiece.
# - [docs/tokenizers.md](../docs/tokenizers.md): patterns, special tokens, the files of other tools.
#
# Next: `./glass lessons open 02`, the data pipeline, which turns these ids into what a training step reads.
