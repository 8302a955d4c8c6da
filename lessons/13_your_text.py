# %% [markdown]
# # 13 · Your own text
#
# From a folder of files to a model that writes like them, with a page that shows how it went.
#
# Everything so far read the village. Now put your own folder here: letters, recipes, a programming project, a book. Until you do, the lesson takes the documentation of this project.

# %%
import json
import shutil
from contextlib import nullcontext
from pathlib import Path
from tempfile import mkdtemp

import torch

import glassformer
from glassformer.corpora import corpus
from glassformer.data import DataConfig
from glassformer.data.ngram import NGram
from glassformer.data.prepare import prepare
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import complete
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, SOFT, Q, bars, canvas, text
from glassformer.lessons.training import learn
from glassformer.model.gpt import GPT
from glassformer.recipes import launch, sizes
from glassformer.recipes.presets import mini
from glassformer.runs.checkpoint import load
from glassformer.runs.report import write_report
from glassformer.runs.run import Run

MY_TEXTS = Path(glassformer.__file__).parents[1] / "docs"  # <- your folder, for example Path("~/letters").expanduser()

# %% [markdown]
# We work on a copy in a new folder, so nothing of yours is touched.

# %%
work = Path(mkdtemp())
shutil.copytree(MY_TEXTS, work / "texts", ignore=shutil.ignore_patterns("*.png", "*.jpg"))
source = corpus(str(work / "texts"))
documents = list(source.documents())
for document in documents[:5]:
    print(f"{document.origin:30} {len(document.text):8,} characters: {document.text[:50]!r}")
total = sum(len(document.text) for document in documents)
print(f"{len(documents)} documents, {total:,} characters")

# %% [markdown]
# ## How large may the model be?
#
# A model with more weights than the text has letters can learn the text by heart, and then it has learned nothing else. So for a text of your own, the package chooses the sizes: the vocabulary, the layers, how often the text is read.

# %%
named_source = json.dumps({"name": "files", "path": (work / "texts").as_posix()})
recipe = sizes.with_vocabulary(mini().override(f"corpus={named_source}"), [])
dataset = prepare(recipe.corpus, recipe.tokenizer, DataConfig(), work / "data", workers=1)
recipe, why = sizes.fitted(recipe, dataset.index.train.bytes, dataset.index.train.tokens, [])
recipe = recipe.override(f"model.vocab_size={dataset.tokenizer.vocab_size}")
print(f"{len(dataset.train):,} training tokens, {len(dataset.validation):,} held out, vocabulary {dataset.tokenizer.vocab_size}")
say(why)

# %%
model = GPT(recipe.model)
n = sum(p.numel() for p in model.parameters())
guess = predict(f"The model gets {n:,} parameters, and there are {len(dataset.train):,} tokens. `mini`, the demo's model, reads 20 MB of stories. Will this model write better or worse sentences than that one?", ["better", "worse"])

# %% tags=["prose"]
guess.was("worse", f"It has seen {total / 1e6:.1f} MB. In a text so small most words occur only a few times. Do not expect a novel; expect that it sounds like you.")

# %% [markdown]
# ## What counting reaches
#
# Before any training, the number to beat: n-grams that count the same text.

# %%
levels = NGram.fit(dataset.train.tokens[:], order=5, vocab_size=dataset.tokenizer.vocab_size)
counted = levels.bits_per_byte(dataset.validation.tokens[:], dataset.tokenizer.token_bytes)
print(f"a 5-gram needs {counted:.2f} bits per byte of the held-out text")

# %% [markdown]
# ## Put it into the real model
#
# Now the real thing, through the same function that `./glass train my_folder` calls: it makes a run folder, evaluates, keeps the best weights and can be resumed. For this lesson it takes only a few steps.

# %%
STEPS = sized(100, 2)
recipe = recipe.override(f"train.steps={STEPS}", f"train.eval_every={max(1, STEPS // 4)}", f"train.sample_every={max(1, STEPS // 2)}", "train.eval_tokens=8192", "train.precision=fp32",
                         "train.log_every=1", "train.patience=null", "sample.max_new_tokens=60", "sample.temperature=0.7", *sized([], ["model.n_layer=1", "model.n_embd=24", "model.n_head=2", "train.micro_batch_size=2"]))
run = work / "run"
outcome = launch.train(recipe, dataset, run, say=print, watching=lambda steps, done: nullcontext(lambda line: None), argv=["train"])
written = Run.open(run)
training = [(line["step"], line["loss"]) for line in written.metrics("train")]
held_out = [(line["step"], line["bpb"]) for line in written.metrics("eval")]
print(outcome, "after", training[-1][0], "steps")

# %%
figure, axes = canvas(9, 2.8, columns=2)
axes[0].plot(*zip(*training), color=Q)
axes[0].set(xlabel="step", title="Training loss (nats per token)")
axes[1].plot(*zip(*held_out), "o-", color=ACCENT, label="the model")
axes[1].axhline(counted, color=SOFT, linestyle="--", label="5-gram")
axes[1].set(xlabel="step", title="Bits per byte of held-out text", ylim=0)
axes[1].legend()
picture(figure)
below = held_out[-1][1] < counted
say(f"The model is at {held_out[-1][1]:.2f} bits a byte, {'below' if below else 'still above'} the 5-gram ({counted:.2f}). " + ("" if below else "A model that does not get below it has learned nothing that counting could not: it needs more steps. `./glass train` takes as many as the text bears."))

# %%
best = load(run)
mine = best.model()
for seed in range(sized(3, 1)):
    print("-", complete(mine, best.tokenizer(), [""], SamplingConfig(temperature=0.7, seed=seed, max_new_tokens=sized(60, 4)))[0].replace("\n", " "), "\n")

# %% [markdown]
# And the **page**: all curves, samples, settings and facts about the text in one file that opens in a browser.

# %%
page = write_report(run)
print(page, f"({page.stat().st_size / 1000:.0f} kB)")

# %% [markdown]
# ## Break it
#
# What goes wrong with small texts is **overfitting**: the model learns by heart. We make it happen: a tiny part of your text, read over and over.

# %%
few = dataset.train.tokens[: sized(1500, 200)]
tiny = recipe.model.model_copy(update={"dropout": 0.0, "context_length": 64})
again = Sampler.named("windows").build(Split.of(few), context_length=48, batch_size=4, seed=0)
new = dataset.validation.tokens[: sized(1500, 100)].astype("int64")


def loss_on(some: GPT, ids) -> float:
    """Nats per token of some text, in rows of 48."""
    usable = torch.tensor(ids[: len(ids) // 49 * 49].astype("int64")).view(-1, 49)
    with torch.no_grad():
        return some(usable[:, :-1], targets=usable[:, 1:]).mean().item()


guess = predict(f"The model reads {len(few):,} tokens again and again. Its loss on them falls and falls. What does its loss on *other* pages of yours do?", ["it falls too", "it falls, then rises", "it stays as it was"])

# %%
over = GPT(tiny, seed=0).eval()
curve = [(loss_on(over, few), loss_on(over, new))]
for _ in range(sized(6, 2)):
    learn(over, again, sized(12, 1), 5e-3)
    curve.append((loss_on(over, few), loss_on(over, new)))
seen, unseen = zip(*curve)
figure, axes = canvas(7, 2.6)
axes.plot(seen, "o-", color=Q, label="the text that it reads")
axes.plot(unseen, "o-", color=ACCENT, label="other text")
axes.set(xlabel="time", ylabel="loss (nats per token)", title="Learning by heart")
axes.legend()
picture(figure)

# %% tags=["prose"]
guess.was("it falls, then rises" if unseen[-1] > min(unseen) + 0.02 else "it falls too", f"It is {unseen[-1]:.2f} in the end, and was {min(unseen):.2f} at its best; on the text itself {seen[-1]:.2f}. The moment of the lowest held-out loss is the best model. `./glass train` keeps the weights of that moment, and stops when it has passed.")

# %% [markdown]
# ## Build it
#
# Is a text yours? Write the judge: the mean surprise of your model, per byte, for two texts. The lower one is more like what it has read.

# %%
def surprise(words: str) -> float:
    """Nats per byte under your model."""
    tokenizer = best.tokenizer()
    ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(words)]])[:, : mine.config.context_length]
    with torch.no_grad():
        nats = mine(ids[:, :-1], targets=ids[:, 1:])[0]
    return (nats.sum() / len(best.tokenizer().decode_bytes(ids[0, 1:].tolist()))).item()


own = dataset.tokenizer.decode(dataset.validation.tokens[1:60].tolist())
others = {"a held-out page of yours": own, "Jane Austen": "It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife.", "the same letters, sorted": "".join(sorted(own))}
judged = {name: surprise(words) for name, words in others.items()}
figure, axes = canvas(7, 1.9)
bars(axes, list(judged), list(judged.values()), title="Surprise per byte under your model")
picture(figure)

# %%
tokens = best.tokenizer().encode(own)
ids = torch.tensor([[best.tokenizer().end_of_text, *tokens]])
with torch.no_grad():
    nats = mine(ids[:, :-1], targets=ids[:, 1:])[0]
picture(text([best.tokenizer().decode([i]) for i in tokens], (nats / nats.max()).tolist(), title="Where your model is surprised by you (darker is more)"))

# %% [markdown]
# ## Three experiments
#
# 1. Set `MY_TEXTS` to a folder of yours and run everything again. Is the 5-gram's number lower or higher than for the documentation, and what does that say about your style?
# 2. Raise `STEPS` to 2,000 (some minutes). At which step is the held-out loss lowest?
# 3. In a terminal: `./glass train my_texts --minutes 20`, then `./glass generate runs/my_texts "Dear"`. How much better is twenty minutes than twenty seconds?
#
# ## Where the real code is
#
# - [corpora/files.py](../glassformer/corpora/files.py): folders of files of any kind; [data/clean/](../glassformer/data/clean/__init__.py): what is repaired in them.
# - [recipes/sizes.py](../glassformer/recipes/sizes.py): what is chosen for which size of text; [recipes/launch.py](../glassformer/recipes/launch.py): the training.
# - [docs/guide.md](../docs/guide.md): the same in the terminal, step by step; [docs/data.md](../docs/data.md): formats and cleaning.
#
# This was the last lesson. `./glass settings mini` shows every setting that you can change now, and [docs/own_parts.md](../docs/own_parts.md) how to add a part that nobody has thought of yet. Any lesson can be opened again: `./glass lessons open 00`.
