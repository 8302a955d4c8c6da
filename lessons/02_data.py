# %% [markdown]
# # 02 · The data pipeline
#
# From a pile of documents to the rows of numbers that one training step reads, and the small mistakes that ruin a model.
#
# Lesson 01 turned a text into ids. Here a thousand texts become a dataset on disk, and the dataset becomes **batches**. Nothing
# in this lesson is difficult, and yet most failed trainings fail here: the model learns exactly what you feed it.

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
# `prepare` does all of it: it reads the corpus, cleans the texts, drops repetitions, sets some documents aside for testing,
# trains a tokenizer on the rest, and writes everything as ids. (`./glass prepare village` does the same with 20 MB.)

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
          f"of {T} tokens is {T} exercises: with one word of context, with two, with three ... A row of 512 tokens is 512 "
          "exercises for the price of one reading. This is the main reason why transformers are trained on whole rows.")

# %% [markdown]
# ## Batches
#
# A computer multiplies large matrices much faster than many small ones, so several rows are read together: a **batch** of B
# rows with T tokens each, (B, T). Where do the rows come from? The simplest **sampler** takes windows at random places.

# %%
windows = Sampler.named("windows").build(dataset.train, context_length=64, batch_size=8, seed=0)
batch = windows(step=0)
print("ids", tuple(batch.ids.shape), " targets", tuple(batch.targets.shape))
print("targets are ids moved by one:", torch.equal(batch.ids[:, 1:], batch.targets[:, :-1]))
print("row 0 begins:", repr(tokenizer.decode(batch.ids[0, :20].tolist())))

# %%
guess = predict(
    "Training is interrupted after step 1,000, and the computer is switched off. To go on with exactly the batches that would have "
    "come, what must have been saved?",
    ["the state of the random generator", "the list of places not yet read", "only the number 1,000"],
)

# %%
again = Sampler.named("windows").build(dataset.train, context_length=64, batch_size=8, seed=0)
print("step 1,000 of another sampler object is the same batch:", torch.equal(again(1000).ids, windows(1000).ids))
print("step 1,001 is another one:", not torch.equal(again(1001).ids, windows(1000).ids))
halves = [windows(1000, rank=rank, ranks=2).ids for rank in range(2)]
print("two machines that read half each have the same batch together:", torch.equal(torch.cat(halves), windows(1000).ids))

# %% tags=["prose"]
guess.was("only the number 1,000", "In this project a batch is a *pure function* of the seed and the step: the random numbers are computed from "
          "these two, and from nothing else. There is no state, so there is nothing to lose.")

# %% [markdown]
# ## Four ways to fill a row
#
# A random window starts anywhere, usually in the middle of a story, and may run across the end of one into the next. There are
# other ways. In this picture each line is a row of a batch and each colour is one document; white is empty.

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
    "exactly once before any twice. **packed** puts whole documents into a row and keeps attention inside each of them. **buckets** "
    "gives every document its own row, beside others of about its length. "
    f"The share of places that hold a token to learn from is {', '.join(f'{share:.0%} ({name})' for name, share in shares.items())}. "
    "An empty place costs time and teaches nothing. A window that begins in the middle of a story asks for names that the "
    "model has never read: the demo's model keeps names better since it reads whole stories.")

# %% [markdown]
# ## The text that is set aside
#
# `prepare` has held some documents out. The model never trains on them. What for? Ask the simplest language model there is: an
# **n-gram** model counts which token follows which. A 5-gram looks at the four tokens before.

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
# Write the function that makes a batch yourself, from an array of ids. It needs four lines: choose B places with a generator
# that is seeded by (seed, step), cut T + 1 ids at each of them, read all but the last, predict all but the first.

# %%
def my_batch(step: int, B: int = 8, T: int = 64, seed: int = 0) -> Batch:
    """The batch of a step, as a function of its arguments and nothing else."""
    random = np.random.Generator(np.random.Philox(key=[seed, step]))
    places = random.integers(0, len(train) - T - 1, size=B)
    rows = torch.tensor(np.stack([train[place : place + T + 1] for place in places]).astype(np.int64))
    return Batch(rows[:, :-1], rows[:, 1:].contiguous())


one = my_batch(7)
assert one.ids.shape == one.targets.shape == (8, 64)
assert torch.equal(one.ids, my_batch(7).ids) and not torch.equal(one.ids, my_batch(8).ids)
assert torch.equal(one.ids[:, 1:], one.targets[:, :-1])
print("your batch keeps all the promises that the package's sampler keeps")

# %% [markdown]
# ## Put it into the real model
#
# Now we train a real, small GPT on your batches, three times. Twice we make a mistake of one character in the targets:
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
prompt = [tokenizer.end_of_text, *tokenizer.encode("One morning")]
for name, model in models.items():
    written = [token.id for token in generate(model, [prompt], SamplingConfig(max_new_tokens=sized(30, 4), temperature=0.7))]
    print(f"{name:15} One morning{tokenizer.decode(written)!r}")

# %% tags=["prose"]
say("A model with a beautiful loss that says one thing for ever, one that skips every second token, and one that has begun to "
    "form words after a few seconds of training. **A low loss is no proof that a model has learned what you want. Look at what goes "
    "in, and look at what comes out.**")

# %% [markdown]
# ## Three experiments
#
# 1. Prepare the village with `vocab_size=2048` instead of 512 and look at the size of the file again. By what factor does it
#    change, and by what factor the number of exercises in a row of 64 tokens?
# 2. Make `my_batch` choose its places only from the first tenth of `train`. Train with it, and compare the loss on that tenth with
#    the loss on `dataset.validation`. After how many steps do the two curves part?
# 3. Sort the documents by length before they are joined, and read the text in order instead of at random places. What does
#    the loss curve look like, and why do all samplers shuffle?
#
# ## Where the real code is
#
# - [data/prepare/](../glassformer/data/prepare/__init__.py): from a corpus to a folder, in bounded memory, continued after a power cut.
# - [data/shards.py](../glassformer/data/shards.py): the files, memory-mapped; [data/batches.py](../glassformer/data/batches.py): ids as tensors.
# - [data/sampler/](../glassformer/data/sampler/): the four samplers, one file each; a file of your own works too.
# - [data/ngram.py](../glassformer/data/ngram.py): the 5-gram, with the smoothing that makes it good.
#
# Next: `./glass lessons open 03`, the transformer, which reads these batches.
