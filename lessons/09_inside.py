# %% [markdown]
# # 09 · Inside a trained model
#
# Which head keeps the names and chooses between *he* and *she*, what each layer knows, and how to prove it by changing one thing.
#
# In lesson 03 you switched parts off and saw that heads differ. Here you find out what they do. The tools are in the package's `lens`; they work for every model that you train, and every number is one that the model computed.

# %%
from pathlib import Path
from tempfile import mkdtemp

import torch
from rich.console import Console

from glassformer.corpora.village import Village
from glassformer.lens import heads
from glassformer.lens.attribution import attribute
from glassformer.lens.heads import Event, Reading, measure
from glassformer.lens.interventions import ablate, patch, scale
from glassformer.lens.learning import over_training
from glassformer.lens.logit_lens import logit_lens
from glassformer.lens.look.command import look_at
from glassformer.lens.trace import next_tokens, trace
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import K, Q, bars, canvas, grid, shown, text
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped

torch.set_grad_enabled(False)
checkpoint = load(run_or_shipped("village-mini"))
model, tokenizer = checkpoint.model(), checkpoint.tokenizer()
L, H = model.config.n_layer, model.config.n_head
story = 'Once there was a girl called Nora. With her was her goose, Duchess. She ran off. "Duchess has run away!" called'


def row_of(words: str) -> torch.Tensor:
    """(1, T): the ids of a text that begins a document."""
    return torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(words)]])


ids = row_of(story)
seen = trace(model, ids, next_tokens(ids))
labels = [shown(tokenizer.token_bytes[i] or b"<end>") for i in ids[0].tolist()]
print(f"one forward pass: {len(seen.values)} named values, {len(seen.calls)} formulas")
print(*list(seen.values)[14:26], "...")

# %% [markdown]
# A **trace** has recorded every value of one forward pass under its name. `seen["blocks.3.mixer.z"]` is what the heads of the last layer have read, `seen.pattern(3).weights` how much they read where.
#
# ## The text needs a name
#
# The text ends with *"Duchess has run away!" called*, and the model must say who called.

# %%
probabilities = seen.logits[0, -1].softmax(-1)
nora, duchess = (tokenizer.encode(f" {name}")[0] for name in ("Nora", "Duchess"))
print(f"Nora {probabilities[nora]:.1%}, Duchess {probabilities[duchess]:.1%}")
guess = predict(f"There are {L} layers of {H} heads. In which layer is the head that reads the name, from far away, when a name must be said?", [str(layer) for layer in range(L)])

# %% [markdown]
# We do not look at pictures until one pleases us. We *measure*: in held-out stories, at every place where a name follows that was said before, how much of its attention does each head put on the earlier mentions? A head that
# reads all tokens alike gets the score "chance".

# %%
stories = [Village().story("validation", i).text for i in range(sized(8, 1))]
rows = [row_of(each)[0, : sized(300, 60)].tolist() for each in stories]
questions = {
    "previous token": heads.previous_token(rows),
    "first token": heads.first_token(rows),
    "name": heads.names(stories, tokenizer, sized(512, 80)),
    "he or she": heads.pronoun_choice([each[: sized(4000, 140)] for each in stories[: sized(6, 1)]], tokenizer, 512),
    "induction": heads.induction(heads.repeated(model, n=sized(4, 1), length=sized(40, 8))),
}
scores = {name: measure(model, name, readings) for name, readings in questions.items()}
figure, axes = canvas(12, 2.6, columns=len(scores))
for axis, (name, found) in zip(axes, scores.items()):
    table = torch.tensor([[found.of(layer, head) for head in range(H)] for layer in range(L)])
    grid(axis, table, [f"layer {i}" for i in range(L)], [str(i) for i in range(H)], numbers=".2f", most=1.0, title=f"{name} (chance {found.chance:.2f})")
picture(figure)

# %% tags=["prose"]
best = scores["name"].best
guess.was(str(best.layer), f"Head {best.head} of layer {best.layer} puts {best.score:.0%} of its attention on the earlier mentions of the name that comes next; a head that reads everything alike would put {scores['name'].chance:.0%} there. It is asked at {scores['name'].events} places. We call it the **name head**.")

# %% tags=["prose"]
chosen = scores["he or she"]
say(f"And who decides whether the story goes on with *he* or *she*? The question *he or she* looks at the token before each pronoun, and at the words that named whom it means (the simulator of the village knows). The best is head {chosen.best.head} of layer {chosen.best.layer}, with {chosen.best.score:.0%} "
    f"(chance {chosen.chance:.0%}). " + ("It is the same head: to choose between *he* and *she* one must know who is meant, and finding that person is finding a name." if chosen.best[:2] == best[:2] else "It is another head."))

# %%
picture(text([tokenizer.decode([i]) for i in ids[0, 1:].tolist()], seen.pattern(best.layer).weights[0, best.head, -1, 1:].tolist(),
             title="What the name head reads at the last token of the text (darker is more)"))

# %% [markdown]
# A famous kind of head is the **induction head**: it looks for an earlier place with the same token, and reads what followed there. Large models have them, and they are tested with random tokens that are read twice.

# %% tags=["prose"]
induction = scores["induction"]
passing = [head.name for head in induction.passing]
say(f"In this model {'these heads pass the test: ' + ', '.join(passing) if passing else 'no head passes this test'} (the best has {induction.best.score:.2f}, chance is {induction.chance:.2f}). "
    + ("" if passing else "That is no fault: random tokens never repeat in the village, so nothing in the training asked for it. What did pay was to find names, and this the model has learned. **A head is what its data made worth having.**"))

# %% [markdown]
# ## Which part said it?
#
# The logit of a token is a *sum*: each head and each MLP has added something to the stream, and the head of the model multiplies that sum. So we can ask how much of the logit of *Nora* came from whom. (Norms are kept fixed for this.)

# %%
found = attribute(seen, torch.full_like(ids, nora), against=torch.full_like(ids, duchess), heads=True)
largest = found.largest(0, -1, 8)
figure, axes = canvas(7, 2.8)
bars(axes, [name.replace("blocks.", "").replace(".mixer.heads.", " head ").replace(".mlp", " MLP") for name, _ in largest], [value for _, value in largest], title="Who prefers Nora to Duchess (parts of the difference of the logits)")
picture(figure)
print(f"the parts sum to {found.total[0, -1]:.4f}; the model's difference of logits is {found.logit[0, -1]:.4f}")

# %% [markdown]
# ## What each layer knows
#
# The logit lens applies the model's head after each layer. Dark means that the model, stopped there, would already say the right next token.

# %%
lens = logit_lens(seen, next_tokens(ids))
figure, axes = canvas(10, 2.6)
grid(axes, lens.target[:, 0, :-1], [name.replace("blocks.", "after block ") for name in lens.names], labels[1:], title="Probability of the true next token (below), after each layer", most=1.0)
picture(figure)

# %% [markdown]
# Some phrases are known after two layers, and names come in the last one.
#
# ## Break it
#
# A head that reads a name need not be the one that makes the model say it. Only a change can prove that. We switch off each head in turn, and measure what the names of the held-out stories cost.

# %%
named = questions["name"][: sized(4, 1)]
guess = predict("A name that was said before costs the model almost nothing. By how many nats does it get dearer without the name head?")

# %%
whole = heads.cost(model, named)
dearer = torch.zeros(L, H)
for layer in range(L):
    for head in range(H):
        with ablate(model, f"blocks.{layer}.mixer.heads.{head}"):
            dearer[layer, head] = heads.cost(model, named) - whole
figure, axes = canvas(4.8, 2.4)
grid(axes, dearer, [f"layer {i}" for i in range(L)], [str(i) for i in range(H)], signed=True, numbers=".2f", title="How much dearer a name gets without each head")
picture(figure)

# %% tags=["prose"]
without = dearer[best.layer, best.head].item()
others = (dearer.sum() - without).item() / (L * H - 1)
guess.was(round(without, 2), f"With all heads a known name costs {whole:.2f} nats, without the name head {whole + without:.2f}. Any other head costs {others:.2f} on average. Reading and causing agree: this head *is* where names come from.")

# %% [markdown]
# ## Build it
#
# A question is a list of places that ask and places that answer. Make one of your own: does some head look for the **beginning of the sentence**? At each token, the place right behind the last full stop is right.

# %%
def sentence_starts(ids: list[int]) -> Reading:
    """Each token asks for the first token of its sentence."""
    events, start = [], 1
    for t, token in enumerate(ids):
        if t - start > 3:
            events.append(Event(t, (start,)))
        if tokenizer.decode([token]).strip() in (".", '."', '!"', '?"'):
            start = t + 1
    return Reading(ids, events)


mine = measure(model, "start of the sentence", [sentence_starts(each) for each in rows[: sized(4, 1)]])
for head in mine.heads[:3]:
    print(f"{head.name}: {head.score:.2f}   (chance {mine.chance:.2f})")

# %% tags=["prose"]
say(f"{'These heads pass: ' + ', '.join(head.name for head in mine.passing) if mine.passing else 'No head passes'}: to pass, a score must be clearly above chance. "
    "A picture would have shown you some head that seems to do it now and then. That is why we measure, and against chance.")

# %% [markdown]
# ## Put it into the real model
#
# If the name head hands over the name, we can hand over another one. We let the model read a second text, in which the girl is called Clara, and transplant *only the output of this one head at the last token* into the first text.

# %%
other = trace(model, row_of(story.replace("Nora", "Clara")))
clara = tokenizer.encode(" Clara")[0]
guess = predict("The text still says Nora. After one head's output was taken from the text with Clara, what does the model say?", ["still Nora", "Clara", "something else"])

# %%
with patch(model, other, best.name, places=[ids.shape[1] - 1], source_places=[other.ids.shape[1] - 1]):
    patched = model(ids)[0, -1].softmax(-1)
figure, axes = canvas(9, 2.2, columns=2)
for axis, title, p in ((axes[0], "as it is", probabilities), (axes[1], "with the other text's name head", patched)):
    top = p.topk(5)
    bars(axis, [shown(tokenizer.token_bytes[i]) for i in top.indices.tolist()], top.values.tolist(), title=title)
picture(figure)

# %% tags=["prose"]
winner = int(patched.argmax())
guess.was({nora: "still Nora", clara: "Clara"}.get(winner, "something else"), f"Nora {probabilities[nora]:.0%} before and {patched[nora]:.0%} after; Clara {probabilities[clara]:.1%} before and {patched[clara]:.0%} after. {model.blocks[best.layer].mixer.head_dim} numbers of 2 million were exchanged, for one token. This is called activation patching, and it is how researchers find out what causes what.")

# %%
strengths = sized([0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0], [0.0, 1.0])
line = []
for strength in strengths:
    with scale(model, best.name, strength):
        line.append(model(ids)[0, -1].softmax(-1)[nora].item())
figure, axes = canvas(6, 2.2)
axes.plot(strengths, line, "o-", color=Q)
axes.set(xlabel="strength of the name head", ylabel="probability of Nora", ylim=(0, 1.05), title="Turning one head down")
picture(figure)

# %% [markdown]
# ## When did it learn that?
#
# `village-mini` comes with its weights at earlier steps of its training, so we can ask the same question of each. Step 0 is the model before it has read anything.

# %%
small = run_or_shipped("village-mini")
words = load(small).tokenizer()
asked = heads.names(stories[: sized(2, 1)], words, sized(512, 80))
before = heads.previous_token([reading.ids for reading in asked])
grown = measure(load(small).model(), "name", asked).best
guess = predict("How does the name head of village-mini come about?", ["little by little, as the loss falls", "nearly all of it in one stretch, after the loss has fallen"])

# %%
curves = over_training(small, {
    "name head": lambda model: measure(model, "name", asked).of(grown.layer, grown.head),
    "best head for the previous token": lambda model: measure(model, "previous token", before).best.score,
    "any token": lambda model: heads.cost(model, before),
    "a name that was said before": lambda model: heads.cost(model, asked),
})
figure, axes = canvas(11, 2.6, columns=2)
for axis, names, title in ((axes[0], list(curves.values)[:2], "Share of the attention on the right tokens"), (axes[1], list(curves.values)[2:], "Loss in nats")):
    for name, colour in zip(names, (Q, K)):
        axis.plot(curves.steps, curves.values[name], "o-", color=colour, label=name)
    axis.set_xscale("symlog", linthresh=100)
    axis.set(xlabel="steps of training", xticks=curves.steps, xticklabels=[str(step) for step in curves.steps], ylim=(0, None), title=title)
    axis.legend()
picture(figure)

# %% tags=["prose"]
of_head, of_loss = curves.values["name head"], curves.values["any token"]
rises = [after - earlier for earlier, after in zip(of_head, of_head[1:])]
jump = rises.index(max(rises))
share = max(rises) / (of_head[-1] - of_head[0])
named_cost = curves.values["a name that was said before"]
guess.was("nearly all of it in one stretch, after the loss has fallen" if share > 0.5 else "little by little, as the loss falls",
          f"Between step {curves.steps[jump]:,} and step {curves.steps[jump + 1]:,} the head goes from {of_head[jump]:.0%} to {of_head[jump + 1]:.0%}, and a name that was said before from {named_cost[jump]:.2f} nats to {named_cost[jump + 1]:.2f}. "
          f"In the loss of all tokens this looks like nothing much: it had fallen from {of_loss[0]:.2f} to {of_loss[jump]:.2f} before, and falls to {of_loss[jump + 1]:.2f} meanwhile. **What a model learns suddenly can hide in a smooth loss.**")

# %% [markdown]
# ## All of it at once: `./glass look`
#
# What you have asked here one question at a time, one command asks together, for any of your models and any text. In a terminal,
#
# ```sh
# ./glass look village-mini "Once there was a girl called Nora. Walt called"                     # losses, heads, logit lens, next token
# ./glass look village-mini "Once there was a girl called Nora. Walt called" --html look.html    # a page with every head and every number
# ./glass look village-mini "Once there was a girl called Nora." --html look.html --over-time    # with a slider over the steps above
# ```
#
# The next cell calls the command's own function, first for the terminal and then for the page. Its second table measures heads as you did, but in this one text: at few places (the last
# column), luck decides more, and the best head of a question may be another one than in many stories.

# %%
terminal = Console(width=100, force_jupyter=False)  # plain text here, colours in a real terminal
used = look_at(terminal, ["village-mini", story], html=None, place=None, knobs=[], over_time=False)

# %%
page = Path(mkdtemp()) / "look.html"
used = look_at(terminal, ["village-mini", sized(story, "Nora ran off.")], html=page, place=None, knobs=[], over_time=False)

# %% tags=["prose"]
at = f"#place={ids.shape[1] - 1}&head={best.layer}.{best.head}"
say(f"The page is one file of {page.stat().st_size / 1e6:.1f} MB: `{page}`. Open it in a browser; it works without a network. Its address leads to a place: with `{at}` behind `look.html` it opens at the last "
    "token and the name head, so you can send somebody exactly the picture that you mean. Point at a token or a head, and all pictures show it. [docs/look.md](../docs/look.md) says how to read each of them.")

# %% [markdown]
# ## Three experiments
#
# 1. `heads.referents(stories, tokenizer, 512)` asks *at* each *he*, *she* or *it*, and not before it, for the one who is meant. Which head passes, if any? Why is the place before the word the better one to ask?
# 2. Ablate the name head and let the model write (`glassformer.generate.text.complete` inside `with ablate(...)`). What goes wrong with the story, and what stays right?
# 3. Change `story` so that two girls are named before the question, and look at the page again. Does the name head read both? Which one wins, and can `attribute` tell you why?
#
# ## Where the real code is
#
# - [lens/trace.py](../glassformer/lens/trace.py): how every value of a forward pass is recorded without a line in the model.
# - [lens/heads/](../glassformer/lens/heads/__init__.py): the questions, with their chance; [lens/interventions.py](../glassformer/lens/interventions.py): ablate, patch, scale; [lens/learning.py](../glassformer/lens/learning.py): questions over a training.
# - [lens/attribution.py](../glassformer/lens/attribution.py), [lens/logit_lens.py](../glassformer/lens/logit_lens.py), [lens/why/](../glassformer/lens/why/__init__.py); [lens/look/](../glassformer/lens/look/__init__.py): the command and the page.
#
# Next: `./glass lessons open 10`, scale.
