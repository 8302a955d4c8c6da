# %% [markdown]
# # 03 · The transformer, from embeddings to logits
#
# You walk through a trained model by hand, from the ids of a text to a score for every possible next token.
#
# Lessons 01 and 02 gave us ids. Here is what happens to them. The model in this lesson is `village-mini`, which comes with the
# project and writes good village stories. Nothing is made up: every number that you will see is a number of that model. At the end
# you will have changed a token, a batch, an embedding, a head and a logit, and you will be able to say what each of them is.

# %%
import math

import torch

from glassformer.corpora.village import Village
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.text import complete
from glassformer.kernels import attention, fused, replace
from glassformer.lessons import picture, predict, say, sized
from glassformer.lessons.pictures import ACCENT, Q, bars, canvas, grid, shown, text
from glassformer.model.gpt import GPT
from glassformer.model.positions import Positions
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped

torch.set_grad_enabled(False)  # we only read
checkpoint = load(run_or_shipped("village-mini"))
model, tokenizer = checkpoint.model(), checkpoint.tokenizer()
config = model.config

prompt = ("Once there was a boy called Gus. One morning, he was playing at the market. His pony Juniper was never far away. "
          "She would not eat and hung her head. Gus stroked")
ids = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(prompt)]])  # (B, T): one row
names = [shown(tokenizer.token_bytes[i] or b"<end>") for i in ids[0].tolist()]
assert names[-2:] == ["␣stro", "ked"]  # the text below speaks of them
print(f"{ids.shape[1]} tokens; the last five are {names[-5:]} = {ids[0, -5:].tolist()}")

# %% [markdown]
# The whole model is four lines. Read them once; by the end of this lesson each of them will be plain.
#
# ```
# x = embed(ids)                      one vector for each token
# x = x + attention(norm(x))          in each block: the tokens exchange what they know
# x = x + mlp(norm(x))                in each block: each token thinks by itself
# logits = lm_head(norm(x))           a score for every possible next token
# ```
#
# The second and third line together are a **block** or **layer**, and a model has several of them. `norm` brings each vector to about the same length
# before a part reads it, which keeps the numbers of a deep model in bounds (lesson 06).
#
# ## 1. Embedding: from an id to a vector
#
# An id is only a name: 853 is not "more" than 852. So the first thing a model does is to look up a row of numbers for each id,
# a **vector**. The table of these rows is the **embedding**. At the beginning of training the rows are random numbers, and then training
# changes them a little in every step, as it does with all **weights** (or **parameters**): the numbers in a model that are learned.

# %%
x = model.embed(ids)
E = model.embedding
print(f"embedding {tuple(E.shape)}: {E.shape[0]:,} tokens, {E.shape[1]} numbers for each")
print("x", tuple(x.shape), "  the row of the last token is simply copied:", torch.equal(x[0, -1], E[ids[0, -1]]))

figure, axes = canvas(9, 2.6)
grid(axes, x[0, -9:, :64], names[-9:], signed=True, title=f"The vectors of the last nine tokens, one a row (the first 64 of {E.shape[1]} numbers)")
picture(figure)

# %% [markdown]
# Red is above 0, blue is below, and white is near 0. A single number in it means nothing that we could name. But two vectors can be compared: multiply them
# number by number and add up. This sum is their **dot product**. It is large if they point in similar directions. Divided by both lengths, it is the *cosine* of the
# angle between them: 1 is the same direction, 0 is unrelated. (In torch, `A @ B` computes many dot products at once: each row of A with each column of B.)

# %%
choices = ["milk", "smithy", "miller", "till"]
guess = predict("Training only ever asked for the next token. Which of these has the vector that is most similar to that of *mill*?", choices)

# %%
def cosines(word: str) -> torch.Tensor:
    """(V,): the cosine of the angle between the vector of a word (with its space) and that of every token."""
    unit = E / E.norm(dim=1, keepdim=True)
    return unit @ unit[tokenizer.token_id(f" {word}".encode())]


def neighbours(word: str, n: int = 8) -> tuple[list[str], list[float]]:
    """The tokens whose vectors point most nearly the same way, and the cosines."""
    cosine, which = cosines(word).topk(n + 1)  # the first is the word itself
    return [shown(tokenizer.token_bytes[i]) for i in which[1:].tolist()], cosine[1:].tolist()


figure, axes = canvas(10, 2.6, columns=3)
for axis, each in zip(axes, ("mill", "girl", "baker")):
    bars(axis, *neighbours(each), title=f"most similar to {each}")
picture(figure)

# %% tags=["prose"]
cosine = {each: cosines("mill")[tokenizer.encode(f" {each}")[0]].item() for each in choices}
guess.was(max(cosine, key=cosine.__getitem__), "Its neighbours are **places**: "
          f"{', '.join(name.strip('␣') for name in neighbours('mill')[0][:5])}. Nobody told the model what a place is, and it cannot see the letters in a token, only its id. "
          "Tokens that can stand in the same sentences get similar vectors, since that helps to predict what comes next.")

# %% [markdown]
# ## 2. The residual stream
#
# From here on, x has the shape (B, T, C): there are B rows (here one), a row has T tokens, and each token has a vector of C numbers. This x is called
# the **residual stream**. Each part of the model *reads* it and *adds* something to it. Nothing is overwritten. We take the
# model apart and run it by hand.

# %%
# how far apart two tokens stand is needed in attention (lesson 05)
positions = Positions.of(ids.shape[1], scheme=model.position)  # token number t stands at place t
x = model.embed(ids)
stream = [x]
for block in model.blocks:
    x = x + block.mixer(block.mixer_norm(x), positions)  # attention
    x = x + block.mlp(block.mlp_norm(x))
    stream.append(x)
logits = model.final_norm(x) @ E.T  # (B, T, V): the dot product of each vector with each row of the embedding, see 5.

assert torch.equal(logits, model(ids)), "by hand and by the model: the same bits"
print(f"logits {tuple(logits.shape)}: for each of {ids.shape[1]} tokens, a score for each of {E.shape[0]:,} possible next ones")

# %% [markdown]
# That was the forward pass of a GPT. GPT-2 and Llama do the same, with more blocks and wider vectors.
#
# ## 3. Attention: tokens read from earlier tokens
#
# In the embedding `␣Gus` is the same vector wherever it stands. To know *who* hung her head, the tokens must exchange
# what they know. **Attention** does that, and it is the only part that does. Each token asks a question (its **query**), and each
# earlier token shows what it offers (its **key**). Both are vectors that are computed from the token's own; where their dot product is large, the token reads
# much of the other one's **value**, a third vector. Every layer does this several times side by side, with different questions; each of these is an attention **head**.

# %% tags=["prose"]
say(f"This model has {config.n_layer} layers of {config.n_head} heads. The next cell computes how much each head reads where. You need not read its function now: in lesson 04 you will write it by hand.")

# %%
def weights_of(layer: int) -> torch.Tensor:
    """(H, T, T): how much each token reads of each earlier one, for all heads of a layer."""
    mixer = model.blocks[layer].mixer
    y = model.blocks[layer].mixer_norm(stream[layer])
    q, k = (p(y).unflatten(-1, (-1, mixer.head_dim)).transpose(1, 2) for p in (mixer.q_proj, mixer.k_proj))
    return attention.pattern(*positions.rotate_for_softmax(mixer.q_norm(q), mixer.k_norm(k)))[0]


reads = torch.stack([weights_of(layer) for layer in range(config.n_layer)])  # (L, H, T, T)
figure, axes = canvas(9, 4.4, columns=config.n_head, rows=2)
for column in range(config.n_head):
    for line, layer in enumerate((0, config.n_layer - 1)):
        grid(axes[line, column], reads[layer, column].sqrt(), title=f"layer {layer}, head {column}")
picture(figure)

# %% [markdown]
# Each square is one head; above are those of the first layer, below those of the last. A row is a token that reads, a column a token that is read (both from the first
# to the last), and the darker, the more (colours grow with the square root, so that small shares can be seen). The upper right
# half is empty: **no token may read a later one**, for then it could simply copy the answer. Some heads read the token just before
# (a dark diagonal), some the first one, some look for something. Here is the row of the last token (`ked`, the end of *stroked*), of
# the head that reads most from far away:

# %%
layer, head = divmod(int(reads[:, :, -1, 1:-6].amax(-1).argmax()), config.n_head)
last = reads[layer, head, -1]
figure = text([tokenizer.decode([i]) for i in ids[0, 1:].tolist()], (last[1:] / last[1:].max()).tolist(),
              title=f"What the last token reads in layer {layer}, head {head} (darker is more)")
picture(figure)

# %%
guess = predict(
    "We replace the tenth token of the text by another word. At which places will the logits, the scores for the next token, change?",
    ["at all places", "at the tenth only", "at the tenth and all later ones", "at the last only"],
)

# %%
changed = ids.clone()
changed[0, 9] = tokenizer.encode(" winter")[0]
difference = (model(changed) - logits)[0].abs().amax(-1)
figure, axes = canvas(9, 1.9)
axes.bar(range(1, len(difference) + 1), difference.tolist(), color=Q)
axes.set(xlabel="token (the first is the end of the text before)", ylabel="largest change", title="How much the logits change at each token")
picture(figure)
first_change = int((difference > 0).nonzero()[0]) + 1

# %% tags=["prose"]
guess.was("at the tenth and all later ones", f"The first change is at token {first_change}; before it the difference is exactly 0. This is what "
          "**causal** means. It lets the model learn from all places of a row at once (lesson 02), and it lets it write: what it has "
          "computed for a text stays true when the text goes on (lesson 08).")

# %% [markdown]
# ## 4. The MLP: each token thinks by itself
#
# After attention, the **MLP** (multi-layer perceptron) works on each token alone: it makes a longer vector of the token's, switches some of its numbers off, and makes
# a short one of it again. It cannot see other tokens, and most of the model's weights are in it. What it stores is roughly what words mean
# and which go together.

# %%
block = model.blocks[0]
alone = block.mlp(stream[0][:, 20:21])
together = block.mlp(stream[0])[:, 20:21]
print(f"from {config.n_embd} numbers to {block.mlp.up_proj.weight.shape[0]} and back")
print("the MLP of token 20 does not depend on the others:", torch.allclose(alone, together, atol=1e-6))
parts = {"embedding": E.numel()}
parts |= {"attention": sum(p.numel() for b in model.blocks for p in b.mixer.parameters())}
parts |= {"MLPs": sum(p.numel() for b in model.blocks for p in b.mlp.parameters())}
parts |= {"norms": sum(p.numel() for p in model.parameters()) - sum(parts.values())}
figure, axes = canvas(7, 1.8)
bars(axes, list(parts), [n / 1e6 for n in parts.values()], title=f"Where the {sum(parts.values()) / 1e6:.2f} million parameters are (in millions)")
picture(figure)

# %% [markdown]
# ## 5. Logits: a score for every token
#
# At the end, the vector of each token is compared with the embedding of *every* token in the vocabulary (a dot product). The
# results are the **logits**: the better the match, the likelier the token comes next. `softmax` turns them into probabilities,
# which are positive and sum to 1: it takes e = 2.718... to the power of each logit, and divides by the sum of all. (`-1` in the code means: along the last
# direction of the tensor, the V scores of one token.)
#
# This last step is called the language-model head, `lm_head` above. It has nothing to do with the heads of attention. When people say *head* without more, they
# mean one of attention, and so does this lesson.

# %%
guess = predict("The text ends with 'Gus stroked'. What is the probability that the model gives to its favourite next token, in percent?")

# %%
probabilities = logits[0, -1].softmax(-1)
best = probabilities.topk(6)
figure, axes = canvas(7, 2.2)
bars(axes, [shown(tokenizer.token_bytes[i]) for i in best.indices.tolist()], best.values.tolist(), title="The likeliest next tokens")
picture(figure)

# %% tags=["prose"]
first, second = (tokenizer.decode([i]).strip() for i in best.indices[:2].tolist())
assert (first, second) == ("her", "Jun"), "the text speaks of these"
guess.was(round(100 * best.values[0].item(), 1), f"The token is *{first}*: Gus strokes the pony, and the text has called her 'She'. The second is *{second}*, the "
          f"beginning of her name, which stood there once, {len(prompt.split('Juniper')[1].split())} words before. Attention has fetched both from there.")

# %% [markdown]
# ## How good is it? The loss
#
# For every place we know which token really came next. If the model gave it the probability p, we charge it **-ln p** (in *nats*, as in lesson 02): nothing
# for a sure and right prediction, a lot for a surprise. The mean over all places is the **loss**, the one number that training makes small.

# %%
story = Village().story("validation", 2).text
row = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(story)[: sized(500, 40)]]])


def loss_of(some: GPT) -> float:
    """Nats per token of the story."""
    return some(row[:, :-1], targets=row[:, 1:]).mean().item()


nats = model(row[:, :-1], targets=row[:, 1:])[0]
picture(text([tokenizer.decode([i]) for i in row[0, 1:].tolist()][: sized(150, 30)], (nats / nats.max()).tolist(),
             title="The surprise of each token (darker: the model found it unlikely)"))
guess = predict(f"The mean is {loss_of(model):.2f} nats. What is it for the same model before training, with random weights? "
                f"(It knows nothing, so it gives each of the {E.shape[0]:,} tokens about the same probability.)")

# %%
untrained = GPT(config, seed=0)
print(f"untrained {loss_of(untrained):.3f},  ln {E.shape[0]} = {math.log(E.shape[0]):.3f}")

# %% tags=["prose"]
guess.was(loss_of(untrained), f"If every token gets 1/V, the charge is ln V = {math.log(E.shape[0]):.2f}. Remember this number: a training that does not begin "
          "near ln V has a mistake in it.")

# %% [markdown]
# Look at the dark places above. They are where a story has a choice: who comes along, what is lost, where to go. Names
# that were said before, the ends of words, and the second half of a phrase are light: the model knows.
#
# ## When does it know?
#
# The last step (norm, then the dot products with the embedding) can be applied to the stream after *every* block, not only the last. It shows how the prediction
# grows (the *logit lens*).

# %%
table = []
for number, x in enumerate(stream):
    p = (model.final_norm(x)[0, -1] @ E.T).softmax(-1)
    table.append([shown(tokenizer.token_bytes[i]) for i in p.topk(4).indices.tolist()])
    print(f"after {number} blocks: {', '.join(f'{name} {value:.0%}' for name, value in zip(table[-1], p.topk(4).values.tolist()))}")
assert table[0][0] == "ked" and table[-2][0] == "␣him" and table[-1][0] == "␣her"  # as the text below says

# %% [markdown]
# Before the first block the stream is only the embedding of `ked`, so the most similar token is `ked` itself. With the next blocks a
# pronoun appears, as English wants it after *stroked*, but it is *him*. Only the last block finds out that it must be *her*.
#
# ## Break it
#
# Now switch parts off, and measure what each was good for. A part that adds nothing to the stream is one whose output is 0.

# %%
guess = predict("Which hurts more: to switch off the attention of all blocks, or all MLPs?", ["attention", "the MLPs"])

# %%
def without(parts: list[torch.nn.Module]) -> float:
    """The loss while these parts add nothing."""
    hooks = [part.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output)) for part in parts]
    try:
        return loss_of(model)
    finally:
        for hook in hooks:
            hook.remove()


losses = {"whole model": loss_of(model)}
for i, block in enumerate(model.blocks):
    losses[f"attention {i} off"] = without([block.mixer])
for i, block in enumerate(model.blocks):
    losses[f"MLP {i} off"] = without([block.mlp])
losses["all attention off"] = without([block.mixer for block in model.blocks])
losses["all MLPs off"] = without([block.mlp for block in model.blocks])
figure, axes = canvas(7.5, 3.4)
bars(axes, list(losses), list(losses.values()), colour=ACCENT, title="Loss with parts switched off (nats per token)")
axes.axvline(math.log(E.shape[0]), color="#8a8f99", linestyle="--", linewidth=1)
picture(figure)

# %% tags=["prose"]
both = losses["all attention off"], losses["all MLPs off"]
guess.was("attention" if both[0] > both[1] else "the MLPs", f"{both[0]:.2f} nats without attention, {both[1]:.2f} without the MLPs; the dashed line is knowing nothing. A model "
          "that is sure and wrong can be worse than that. Both are needed, and they were trained together: taking away one part also spoils the others, "
          "because they no longer read what they are used to.")

# %% [markdown]
# ## Build it
#
# You have met five things. A **token** and a **batch** you have changed in lessons 01 and 02; here they are again in one line each. Change the line and run it: another
# text, more rows (all rows of a batch must have equally many tokens).

# %%
print([shown(tokenizer.token_bytes[i]) for i in tokenizer.encode("The crocodile stroked Juniper.")])
pair = torch.tensor([[tokenizer.end_of_text, *tokenizer.encode(each)] for each in ("Once there was a boy called", "Once there was a girl called")])
print(f"a batch of shape {tuple(pair.shape)} gives logits of shape {tuple(model(pair).shape)}; the likeliest next tokens are",
      [shown(tokenizer.token_bytes[i]) for i in model(pair)[:, -1].argmax(-1).tolist()])

# %% [markdown]
# Then the **embedding**: we exchange the vectors of `␣he` and `␣she`.

# %%
he, she = (tokenizer.token_id(word) for word in (b" he", b" she"))
opening, greedy = "Once there was a boy called Gus. One morning,", SamplingConfig(temperature=0, max_new_tokens=sized(40, 4))
before = complete(model, tokenizer, [opening], greedy)[0]
E[[he, she]] = E[[she, he]]
after = complete(model, tokenizer, [opening], greedy)[0]
E[[he, she]] = E[[she, he]]  # back again
print(f"as it was:  {opening}{before}\n\nexchanged:  {opening}{after}")

# %% [markdown]
# The last step of this model uses the same table as the embedding (it is *tied*), so the exchanged words are read and written alike:
# the model thinks *he*, and the tokenizer prints *she*. **Change it**: exchange two other tokens, such as `b" sun"` and `b" friend"`, and predict before you run the cell.
#
# Then an attention **head**: each block has a matrix `o_proj` that adds what its heads have read to the stream. The first `head_dim` columns of this matrix belong to head 0, the next to
# head 1, and so on. We set them to 0, one head at a time, and put them back.

# %%
def without_head(layer: int, head: int) -> float:
    """The loss while one head adds nothing."""
    weight = model.blocks[layer].mixer.o_proj.weight
    width = model.blocks[layer].mixer.head_dim
    columns = weight[:, head * width : (head + 1) * width]
    kept = columns.clone()
    columns.zero_()
    try:
        return loss_of(model)
    finally:
        columns.copy_(kept)


guess = predict(f"There are {config.n_layer * config.n_head} heads. By how much does the loss of {loss_of(model):.2f} grow when the most important one is missing?")

# %%
grown = torch.tensor([[without_head(i, h) for h in range(config.n_head)] for i in range(config.n_layer)]) - loss_of(model)
figure, axes = canvas(4.6, 2.4)
grid(axes, grown, [f"layer {i}" for i in range(config.n_layer)], [f"{h}" for h in range(config.n_head)], signed=True, numbers=".2f",
     title="How much the loss grows without a head")
picture(figure)

# %% tags=["prose"]
worst = divmod(int(grown.argmax()), config.n_head)
guess.was(round(grown.max().item(), 2), f"That is head {worst[1]} of layer {worst[0]}. The least important one costs {grown.min().item():.3f}: for this story the model hardly needs it. What "
          "single heads do is the subject of lesson 09.")

# %% [markdown]
# And a **logit**: we add a number to the score of one token before the choice is made. `softmax` turns a difference of 1 between two logits into a factor of e = 2.718... between their
# probabilities. (Every rule that you can lay over a model's choice works like this; lesson 08.)

# %%
z = model(ids)[0, -1].clone()
winter = tokenizer.token_id(b" winter")
p = z.softmax(-1)
guess = predict(f"The favourite has the probability {p.max():.0%}, and *winter* {p[winter]:.1e}. How much must be added to the logit of *winter* to make it as likely as the favourite?")

# %%
needed = (z.max() - z[winter]).item()
for push in (needed - 2, needed, needed + 2):
    pushed = z.clone()
    pushed[winter] += push
    print(f"push {push:5.1f}: winter {pushed.softmax(-1)[winter]:.0%}, the favourite of before {pushed.softmax(-1)[z.argmax()]:.0%}")

# %% tags=["prose"]
guess.was(round(needed, 1), f"It is the difference of the two logits, {z.max():.1f} and {z[winter]:.1f}. With more, the model says *winter*, whether it fits or not. **Change it**: let "
          "it say another word, or make *her* impossible by adding minus infinity (`-math.inf`). Who gets its probability?")

# %% [markdown]
# ## Put it into the real model
#
# All maths of this package passes through one table of functions, the *kernels*. `replace` puts a function of yours into it. Write
# attention, for all rows and heads at once. It gets the queries q, the keys k and the values v, each of the shape (B, H, T, D): rows, heads, tokens, numbers.
#
# 1. The scores are the dot products of each query with each key, `q @ k.transpose(-2, -1)`, of shape (B, H, T, T). Divide them by `math.sqrt(D)` (lesson 04 says why).
# 2. Where a key stands in the future, the score becomes minus infinity: `scores.masked_fill(future, -torch.inf)`. `future` is there already.
# 3. `.softmax(-1)` makes shares of each row of scores. They sum to 1.
# 4. Times the values (`@ v`): the mean of the values, weighted by the shares.
#
# Put your lines in place of `return ...`. The cell after it is folded, and holds a function that works, for the case that the three dots are still there.

# %%
def my_attention(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """q, k, v (B, H, T, D) -> (B, H, T, D). The other arguments are for models of other kinds."""
    T, D = q.shape[-2:]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)  # (T, T): True where column > row
    return ...

# %% tags=["solution"]
def one_that_works(q, k, v, visible=None, bias=None, dropout_p=0.0):
    T, D = q.shape[-2:]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    scores = q @ k.transpose(-2, -1) / math.sqrt(D)
    return scores.masked_fill(future, -torch.inf).softmax(-1) @ v


if my_attention(*[torch.zeros(1, 1, 1, 1)] * 3) is ...:
    my_attention = one_that_works

# %%
def mean_of_all(q, k, v, visible=None, bias=None, dropout_p=0.0):
    """The same without questions and answers: every token reads all earlier ones equally."""
    return my_attention(q * 0, k, v)


mine = checkpoint.model(kernels=replace(fused(), attention=my_attention))
assert abs(loss_of(mine) - loss_of(model)) < 1e-4, "yours computes something else: go through the four steps again"
print(f"the package's attention {loss_of(model):.6f}, yours {loss_of(mine):.6f}")
guess = predict("What happens to the loss if every token reads all earlier tokens *equally*, without queries and keys?",
                ["it stays about the same", "it doubles", "it grows to more than five times as much"])

# %%
equal = loss_of(checkpoint.model(kernels=replace(fused(), attention=mean_of_all)))
print(f"asking {loss_of(mine):.2f}, not asking {equal:.2f}")

# %% tags=["prose"]
ratio = equal / loss_of(mine)
guess.was("it grows to more than five times as much" if ratio > 5 else "it doubles" if ratio > 1.5 else "it stays about the same",
          f"It is {ratio:.0f} times as large. Seeing all earlier tokens is not enough; a token must be able to *choose* whom it reads. How it chooses is the subject of lesson 04.")

# %% [markdown]
# ## Five words
#
# Cover the table, and say in your own words what a token, a batch, an embedding, a head and a logit are. Then compare.
#
# | word | what it is | where you changed it |
# |---|---|---|
# | **token** | a piece of text that has a number of its own, its id; the unit that a model reads and writes | lesson 01: merges, and the size of the vocabulary |
# | **batch** | several rows of ids that are read together in one step, of shape (B, T), with the ids that must be said | lesson 02: `my_batch` and its B, T and shift |
# | **embedding** | the table with one row of learned numbers (a vector) for each token of the vocabulary; the model's first step looks them up | `he` and `she` |
# | **head** | one of several attentions side by side in a layer, with queries, keys and values of its own; it decides what each token reads of the earlier ones | columns of `o_proj` set to 0 |
# | **logit** | the score of one token of the vocabulary, before softmax makes probabilities of the scores | the push for *winter* |
#
# [The glossary](../docs/glossary.md) has the other words.
#
# ## Three experiments
#
# 1. Change Juniper's name in `prompt` to Dapple, another name of ponies in the village, and then to Poppy, which no animal there has. What probability does the model give to the name that you wrote?
#    Whose name does it say instead, and where does it know it from? (For what a name begins with: `shown(tokenizer.token_bytes[tokenizer.encode(" Poppy")[0]])`.)
# 2. In `without`, switch off the attention of blocks 0 and 1, then of 2 and 3. Which pair does the model miss more, and does the logit lens tell you why?
# 3. Print `neighbours("lost")` and `neighbours("she")`. Then find a word (it must be one token) whose neighbours surprise you, and explain them by the sentences in
#    which these words stand.
#
# ## Where the real code is
#
# - [model/gpt.py](../glassformer/model/gpt.py): the four lines at the top of this lesson, and the class that carries them out.
# - [model/block.py](../glassformer/model/block.py) and [model/residual/pre.py](../glassformer/model/residual/pre.py): one block, two lines.
# - [model/mixer/full.py](../glassformer/model/mixer/full.py), [kernels/attention.py](../glassformer/kernels/attention.py): attention as a module and as a formula.
# - [kernels/\_\_init\_\_.py](../glassformer/kernels/__init__.py): the table of formulas, and `replace`.
#
# Next: `./glass lessons open 04`, attention by hand.
