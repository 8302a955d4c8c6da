# %% [markdown]
# # 02 · The data pipeline
#
# From a pile of documents to the rows of numbers that one training step reads, and the small mistakes that ruin a model.
#
# Lesson 01 turned a text into ids. Here a thousand texts become a dataset on disk, and the dataset becomes **batches**. Nothing
# in this lesson is difficult, and yet most failed trainings fail here: the model learns exactly what you feed it.
#
# Two libraries for tables of numbers appear: numpy, for ids on disk, and torch, for everything a model computes. You need to know
# little of them, and it is explained where it comes. The first cell only fetches tools.

# %%
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from glassformer.corpora.village import Village
from glassformer.data import DataConfig
from glassformer.data.batches import Batch
from glassformer.data.ngram import NGram
from glassformer.data.prepare import prepare
from glassformer.data.sampler import Sampler
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, Q, V, bars, canvas, shown
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.tokenizers import TokenizerRecipe

# %% [markdown]
# ## From documents to files
#
# A **corpus** is a pile of texts, and each text in it (here a story) is a **document**. `prepare` reads the corpus, cleans the
# texts, drops repetitions, sets some documents aside for testing (the **held-out** text), trains a tokenizer on the rest, and
# writes everything as ids. (`./glass prepare village` does the same with 20 MB.)

# %%
corpus = Village(megabytes=sized(1, 0.06), workers=1)
recipe = TokenizerRecipe.named("bpe", vocab_size=512)
dataset = prepare(corpus, recipe, DataConfig(), Path(mkdtemp()) / "village", workers=1)
tokenizer = dataset.tokenizer
print(f"training   {dataset.train.n_documents:6,} documents, {len(dataset.train):9,} tokens")
print(f"held out   {dataset.validation.n_documents:6,} documents, {len(dataset.validation):9,} tokens")

# %%
guess = predict(
    f"The vocabulary has {tokenizer.vocab_size} tokens, so an id fits into two bytes (0 to 65,535). How many bytes is the file "
    f"with the {len(dataset.train):,} training tokens?"
)

# %%
for path in sorted(dataset.folder.iterdir()):
    print(f"{path.name:24} {path.stat().st_size:10,} bytes")
file = dataset.folder / "train-00000.bin"
ids = np.fromfile(file, dtype="<u2")
print("\nthe first ids:", ids[:12].tolist())
print("as text:      ", [shown(tokenizer.token_bytes[i] or b"<|endoftext|>") for i in ids[:12].tolist()])

# %% tags=["prose"]
guess.was(file.stat().st_size, "There is nothing else in it: no header, no compression, one number after the other. That is why a dataset "
          "of a hundred gigabytes opens as fast as this one. The operating system maps the file into memory and reads only the "
          "pages that are asked for.")

# %% [markdown]
# The first id is `<|endoftext|>`. It stands before every document, so the training text is *one* long row of ids, in which the
# separator tells where a story begins. A second file (`train-documents.bin`) holds the place of each beginning.
#
# ## What the model reads and what it must say
#
# A language model has one task: say the next token. So a training example is a row of ids, and the answer is **the same
# row, shifted by one place**. Nobody has to label anything; the text itself is the answer. This is why models can learn from
# all the text there is.

# %%
T = 8
row = dataset.train.tokens[0 : T + 1].astype(np.int64)
example = Batch.of(row[None])
names = [[shown(tokenizer.token_bytes[i] or b"<end>") for i in line] for line in (example.ids[0].tolist(), example.targets[0].tolist())]
figure, axes = canvas(9, 1.5)
axes.set_axis_off()
for line, (label, colour) in enumerate((("reads", "#dbe7f5"), ("must say", "#f7e3d2"))):
    axes.text(-0.6, line, label, ha="right", va="center", weight="bold")
    for t, name in enumerate(names[line]):
        axes.barh(line, 0.92, left=t - 0.46, height=0.76, color=colour)
        axes.text(t, line, name, ha="center", va="center", family="monospace")
axes.set(xlim=(-1.8, T), ylim=(1.6, -0.6))
picture(figure)
guess = predict(f"This row has {T} tokens. How many predictions does the model practise on it, in one pass?")

# %% tags=["prose"]
guess.was(int((example.targets >= 0).sum()), "At *every* place it must say the next token, and it sees only what stands to the left. So one row "
          f"of {T} tokens is {T} exercises: with one token of context, with two, with three ... A row of 512 tokens is 512 "
          "exercises for the price of one reading. This is the main reason why transformers are trained on whole rows.")

# %% [markdown]
# ## Batches
#
# A computer works on one large table of numbers much faster than on many small ones, so several rows are read together: a
# **batch** of B rows with T tokens each. It is stored as a **tensor**, a table of numbers with any number of directions. The
# **shape** of a tensor says how long each direction is. Here is all that you need of it:

# %%
table = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
print("shape", tuple(table.shape), " row 1", table[1].tolist(), " row 1, place 2:", table[1, 2].item())
print("of every row (:) all but the first:", table[:, 1:].tolist(), " all but the last:", table[:, :-1].tolist())

# %% [markdown]
# So a batch has the shape (B, T). Where do its rows come from? The simplest **sampler** takes windows at random places.

# %%
windows = Sampler.named("windows").build(dataset.train, context_length=64, batch_size=8, seed=0)
batch = windows(step=0)
print("ids", tuple(batch.ids.shape), " targets", tuple(batch.targets.shape))
print("the targets are the ids, moved by one place:", torch.equal(batch.ids[:, 1:], batch.targets[:, :-1]))
print("row 0 begins:", repr(tokenizer.decode(batch.ids[0, :20].tolist())))

# %%
guess = predict(
    "In training the model reads one batch after another; each of them is a **step**. Training is interrupted after step 1,000, and the "
    "computer is switched off. To go on with exactly the batches that would have come, what must have been saved?",
    ["the state of the random generator", "the list of places not yet read", "only the number 1,000"],
)

# %%
again = Sampler.named("windows").build(dataset.train, context_length=64, batch_size=8, seed=0)
print("step 1,000 of another sampler object is the same batch:", torch.equal(again(1000).ids, windows(1000).ids))
print("step 1,001 is another one:", not torch.equal(again(1001).ids, windows(1000).ids))
halves = [windows(1000, rank=rank, ranks=2).ids for rank in range(2)]
print("two machines that read half of the rows each have the same batch together:", torch.equal(torch.cat(halves), windows(1000).ids))

# %% tags=["prose"]
guess.was("only the number 1,000", "In this project a batch is a *pure function* of the **seed** (a number that you choose, here 0) and the step: the random "
          "numbers are computed from these two, and from nothing else. There is no state, so there is nothing to lose.")

# %% [markdown]
# ## Four ways to fill a row
#
# A random window starts anywhere, usually in the middle of a story, and may run across the end of one into the next. There are
# other ways. In this picture each line is a row of a batch and each colour is one document; white is empty. (Mind the scales: the
# rows below may be twice as long, and `buckets` chooses the number of its rows itself.)

# %%
from matplotlib.colors import ListedColormap

colours = ListedColormap(["white", "#9fc2e6", "#f3c9a5", "#a9d5b5", "#d9b8e0", "#f0a9a2", "#c9c9c9", "#e9dc9a"])
figure, axes = canvas(9, 4.2, columns=2, rows=2)
shares = {}
for axis, name in zip(axes.flat, ("windows", "epochs", "packed", "buckets")):
    context = 512 if name in ("packed", "buckets") else 256
    made = Sampler.named(name).build(dataset.train, context_length=context, batch_size=8, seed=0)(0)
    counted = made.targets >= 0
    # the number of documents begun so far gives each document of a row its colour
    document = (made.ids == tokenizer.end_of_text).cumsum(1) if made.documents is None else made.documents
    colour = (document + torch.arange(len(document))[:, None] * 3) % 7 + 1
    axis.imshow(colour.masked_fill(~counted, 0).numpy(), aspect="auto", cmap=colours, vmin=0, vmax=7, interpolation="nearest")
    axis.set(title=name, xlabel="place in the row", ylabel="row")
    shares[name] = counted.float().mean().item()
picture(figure)

# %% tags=["prose"]
say("**windows** is the simplest, and good enough for one long text. **epochs** cuts the text into windows side by side and reads each "
    "exactly once before any twice. **packed** puts whole documents into a row and lets no token see another document than its own. **buckets** "
    "gives every document its own row, beside others of about its length. "
    f"The share of places that hold a token to learn from is {', '.join(f'{share:.0%} ({name})' for name, share in shares.items())}. "
    "An empty place costs time and teaches nothing. A window that begins in the middle of a story asks for names that the "
    "model has never read; `village-mini`, the model of lesson 03, was trained on whole stories.")

# %% [markdown]
# ## The text that is set aside
#
# `prepare` has held some documents out. The model never trains on them. What for? Ask the simplest language model there is: an
# **n-gram** model counts which token follows which. A 5-gram looks at the four tokens before. Its score is in bits per byte, as in
# lesson 01: how many yes-or-no questions each byte of the text costs.

# %%
train, held_out = dataset.train.tokens[:], dataset.validation.tokens[:]
counts = NGram.fit(train, order=5, vocab_size=tokenizer.vocab_size)
on_training = counts.bits_per_byte(train[:20000], tokenizer.token_bytes)
guess = predict(f"On the text that it counted, the 5-gram needs {on_training:.2f} bits a byte. How many does it need on the held-out stories?")

# %%
on_held_out = counts.bits_per_byte(held_out, tokenizer.token_bytes)
figure, axes = canvas(7, 1.6)
bars(axes, ["text that it counted", "held-out text"], [on_training, on_held_out], title="Bits per byte of a 5-gram (lower is better)")
picture(figure)

# %% tags=["prose"]
guess.was(on_held_out, f"That is {on_held_out / on_training:.1f} times as many. Part of its own text the 5-gram has learned by heart. Only text "
          "that it has never seen tells how well it knows the *language*. The difference between the two numbers is called the "
          "generalisation gap.")

# %% [markdown]
# ## Break it
#
# The worst mistake is also the easiest one: some held-out text also stands in the training text. It happens with web pages that
# exist twice, with quotations, with a shuffled folder. We do it on purpose.

# %%
guess = predict("We add all held-out stories to the training text, only a twentieth of it, and count again. How many bits a byte does the 5-gram now need on them?")

# %%
leaky = NGram.fit(np.concatenate([train, held_out]), order=5, vocab_size=tokenizer.vocab_size)
after_leak = leaky.bits_per_byte(held_out, tokenizer.token_bytes)
print(f"honest {on_held_out:.3f}, with a leak {after_leak:.3f} bits a byte")

# %% tags=["prose"]
guess.was(after_leak, "Now the gap is gone, which looks like a triumph and means nothing: the model is no better at any *new* story. Nothing warns you: no "
          "error, no strange curve. That is why this project has `./glass data check`, which compares the held-out documents with the "
          "training text and names every document that is in both.")

# %% [markdown]
# ## Build it
#
# Write the function that makes a batch yourself, from `train`, the array of all training ids. The places where the B rows begin are
# there already: they are drawn by a generator that is seeded by (seed, step). Cut T + 1 ids at each of them (`train[place : place + T + 1]`),
# put them below each other (`np.stack`) into a tensor of whole numbers (`torch.tensor(....astype(np.int64))`), and return
# `Batch(what it reads, what it must say)`: all but the last of each row, and all but the first.
#
# Put your lines in place of `return ...`. The cell after it is folded: it holds a function that works, which takes over where the
# three dots are still there. Open it when you have written your own, or when you are stuck.

# %%
def my_batch(step: int, B: int = 8, T: int = 64, seed: int = 0) -> Batch:
    """The batch of a step, as a function of its arguments and nothing else."""
    random = np.random.Generator(np.random.Philox(key=[seed, step]))
    places = random.integers(0, len(train) - T - 1, size=B)
    return ...

# %% tags=["solution"]
def one_that_works(step: int, B: int = 8, T: int = 64, seed: int = 0) -> Batch:
    random = np.random.Generator(np.random.Philox(key=[seed, step]))
    places = random.integers(0, len(train) - T - 1, size=B)
    rows = torch.tensor(np.stack([train[place : place + T + 1] for place in places]).astype(np.int64))
    return Batch(rows[:, :-1], rows[:, 1:].contiguous())  # contiguous: in a piece of memory of its own


if my_batch(0) is ...:
    my_batch = one_that_works

# %%
one = my_batch(7)
assert one.ids.shape == one.targets.shape == (8, 64), "eight rows of 64 tokens to read, and as many to say"
assert torch.equal(one.ids, my_batch(7).ids), "the same step must give the same batch"
assert not torch.equal(one.ids, my_batch(8).ids), "another step must give another batch"
assert torch.equal(one.ids[:, 1:], one.targets[:, :-1]), "the targets are the ids, moved by one place"
print("your batch keeps all the promises that the package's sampler keeps")

# %% [markdown]
# **Change a batch.** Make one of 2 rows with 16 tokens, `my_batch(7, B=2, T=16)`, and read it: `tokenizer.decode(....ids[0].tolist())`. How many exercises does it
# hold? Then a batch of one row. Which of the two numbers, B or T, decides how much text the model sees before it must say a token?

# %% [markdown]
# ## Put it into the real model
#
# Now we train a real, small GPT (the transformer of lesson 03) on your batches. In each step it reads a batch and gives every possible next token a
# probability p, at every place. We charge it -ln p for the token that really came; the unit is called a **nat** (bits take the logarithm to base 2, so a bit is
# ln 2 = 0.69 nats). The mean over the batch is the **loss**. Then each of the numbers with which the model computes, its **weights**, is changed a little in the direction
# that makes the loss smaller. That is all of **training**; `learn` does it and returns the loss of every step, and lesson 07 opens it.
#
# We train three times. Twice we make a small mistake in the targets:
#
# - **right**: the target is the next token, `rows[:, 1:]`;
# - **not shifted**: the target is the token itself, `rows[:, :-1]`;
# - **shifted by two**: the target is the token after the next.

# %%
def wrong_by(shift: int):
    """Batches whose targets stand `shift` places after the ids."""
    def batch(step: int) -> Batch:
        longer = my_batch(step, T=66)
        return Batch(longer.ids[:, :64], longer.ids[:, shift : shift + 64].contiguous())
    return batch


steps = sized(200, 3)
# the sizes of a small GPT, which lesson 03 explains
shape = GPTConfig(vocab_size=tokenizer.vocab_size, n_layer=2, n_head=4, n_embd=sized(64, 16), context_length=64)
guess = predict("Which of the three reaches the lowest training loss?", ["right", "not shifted", "shifted by two"])

# %%
mistakes = {"right": 1, "not shifted": 0, "shifted by two": 2}
models = {name: GPT(shape, seed=0) for name in mistakes}
losses = {name: learn(models[name], wrong_by(shift), steps) for name, shift in mistakes.items()}
figure, axes = canvas(7.5, 3)
for (name, curve), colour in zip(losses.items(), (Q, ACCENT, V)):
    axes.plot(curve, label=name, color=colour)
axes.axhline(np.log(tokenizer.vocab_size), color="#8a8f99", linestyle="--", linewidth=1)
axes.text(0, np.log(tokenizer.vocab_size) + 0.08, "a guess among all tokens", fontsize=8, color="#8a8f99")
axes.set(xlabel="step", ylabel="loss (nats per token)", title="The mistake has the better curve", ylim=0)
axes.legend()
picture(figure)

# %% tags=["prose"]
last = {name: float(np.mean(curve[-10:])) for name, curve in losses.items()}
guess.was(min(last, key=last.__getitem__), f"The last losses are {', '.join(f'{value:.2f} ({name})' for name, value in last.items())}. The model whose targets "
          "are not shifted only has to repeat what it reads, and that is easy. Let them write, and see what each of them is worth.")

# %%
def loss_on(model: GPT, ids: np.ndarray) -> float:
    """The loss on the first 40 stretches of 64 tokens, without learning from them."""
    n = min(40, len(ids) // 65)
    rows = torch.tensor(ids[: n * 65].astype(np.int64)).view(n, 65)
    with torch.no_grad():
        return model(rows[:, :-1], targets=rows[:, 1:]).mean().item()


# the model says a token, which is added to what it reads, and so on; a temperature below 1 prefers the likelier tokens (lesson 08)
prompt = [tokenizer.end_of_text, *tokenizer.encode("One morning")]
for name, model in models.items():
    written = [token.id for token in generate(model, [prompt], SamplingConfig(max_new_tokens=sized(30, 4), temperature=0.7))]
    print(f"{name}: {loss_on(model, held_out):.2f} nats per token of held-out text with the right targets; it writes\n    One morning{tokenizer.decode(written)!r}\n")

# %% tags=["prose"]
say("A model with a beautiful loss that says one thing for ever, one that skips every second token, and one that has begun to "
    "form words after a few seconds of training. **A low loss is no proof that a model has learned what you want. Look at what goes "
    "in, and look at what comes out.**")

# %% [markdown]
# ## Three experiments
#
# 1. Prepare the village with `vocab_size=2048` instead of 512 and look at the size of the file again. By what factor does it
#    change, and by what factor the number of exercises in a row of 64 tokens?
# 2. Train on little text: run `train = train[: len(train) // 50]`, then train new models, `model = GPT(shape, seed=0); learn(model, my_batch, steps)`, with 100, 400 and 1,000
#    steps, and each time print `loss_on(model, train)` and `loss_on(model, held_out)`. What happens to the two numbers, and what does the model learn in the end?
# 3. Read the stories in order of their lengths, instead of at random places. `places = dataset.train.documents` says where each begins, `order = np.argsort(np.diff(places))`
#    sorts them, and `np.concatenate([dataset.train.tokens[places[i] : places[i + 1]] for i in order])` joins them. Let row r of step s begin at 65 * (8 * s + r). Train a model
#    on these batches and one on `my_batch`, and compare `loss_on(model, held_out)`. Which stories has the first one never read? What would happen if they were sorted by subject?
#
# ## Where the real code is
#
# - [data/prepare/](../glassformer/data/prepare/__init__.py): from a corpus to a folder, in bounded memory, continued after a power cut.
# - [data/shards.py](../glassformer/data/shards.py): the files, memory-mapped; [data/batches.py](../glassformer/data/batches.py): ids as tensors.
# - [data/sampler/](../glassformer/data/sampler/): the four samplers, one file each; a file of your own works too.
# - [data/ngram.py](../glassformer/data/ngram.py): the 5-gram, with the smoothing that makes it good.
#
# Next: `./glass lessons open 03`, the transformer, which reads these batches.
