# %% [markdown]
# # 08 · Generation
#
# How a model that only scores the next token writes a story: greedy or by chance, temperature, top-k, top-p, and the cache that makes it fast.

# %%
import time

import torch

from glassformer.corpora.village import Village, check
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig, min_p, pipeline, temperature, top_k, top_p
from glassformer.generate.text import complete
from glassformer.lessons import picture, predict, sized
from glassformer.lessons.pictures import ACCENT, Q, bars, canvas, shown
from glassformer.runs.checkpoint import load
from glassformer.runs.shipped import run_or_shipped

torch.set_grad_enabled(False)
checkpoint = load(run_or_shipped("village-mini"))
model, tokenizer = checkpoint.model(), checkpoint.tokenizer()
prompt = "One morning, a girl called Nora"
ids = [tokenizer.end_of_text, *tokenizer.encode(prompt)]

# %% [markdown]
# ## The loop
#
# The model gives a score (a **logit**) to every token of the vocabulary. We choose one, write it behind the text, and ask again. That is all there is to "generation":
#
# ```
# repeat:  scores = model(text)[last];  token = choose(scores);  text = text + token
# ```

# %%
text = list(ids)
for _ in range(sized(30, 3)):
    scores = model(torch.tensor([text]))[0, -1]
    text.append(int(scores.argmax()))  # always the best: this is called greedy
print(tokenizer.decode(text[1:]))

# %%
guess = predict("We ask the greedy loop for five stories from the same beginning. How many different stories will there be?")

# %%
five = {complete(model, tokenizer, [prompt], SamplingConfig(temperature=0, max_new_tokens=sized(40, 3), seed=seed))[0] for seed in range(5)}
guess.was(len(five), "The model is a function: the same text gives the same scores. Whatever looks like fantasy comes from the dice that we throw behind it.")

# %% [markdown]
# ## Throwing dice
#
# Instead of the best token, draw one by its probability. A place where the model hesitates shows what that means:

# %%
place = [tokenizer.end_of_text, *tokenizer.encode("One morning, a girl called Nora was sitting by the")]
z = model(torch.tensor([place]))[0, -1]
p = z.softmax(-1)
best = p.topk(12)
labels = [shown(tokenizer.token_bytes[i]) for i in best.indices.tolist()]
figure, axes = canvas(7, 3)
bars(axes, labels, best.values.tolist(), title="Where was Nora sitting? Probabilities of the next token")
picture(figure)
print(f"the other {len(p) - 12:,} tokens share {1 - best.values.sum():.1%} among them")

# %% [markdown]
# **Temperature** divides all scores before the softmax. Below 1 it makes the differences larger, so the likely tokens get likelier; above 1 it evens them out. At 0 it is greedy.

# %%
temperatures = (0.2, 0.5, 1.0, 1.5, 3.0)
guess = predict(f"At temperature 1 the favourite ({labels[0]}) has {best.values[0]:.0%}. How much does it have at temperature 0.5, in percent?")

# %%
figure, axes = canvas(10, 2.6, columns=5, sharey=True)
for axis, t in zip(axes, temperatures):
    bars(axis, labels, temperature(z[None], t)[0].softmax(-1)[best.indices].tolist(), title=f"temperature {t}")
    axis.set_xlim(0, 1.15)
picture(figure)

# %% tags=["prose"]
cold = temperature(z[None], 0.5)[0].softmax(-1)[best.indices[0]].item()
guess.was(round(100 * cold), "Dividing by 0.5 doubles every score, so each probability is squared before they are made to sum to 1 again.")

# %%
for t in (0.0, 0.5, 1.0, 2.0):
    print(f"{t}: {prompt}{complete(model, tokenizer, [prompt], SamplingConfig(temperature=t, seed=1, max_new_tokens=sized(45, 3)))[0]}\n".replace("\n\n", " ") + "\n")

# %% [markdown]
# ## Cutting off the tail
#
# At temperature 1 each single nonsense token is very unlikely, but there are two thousand of them, and in a story of 300 tokens one of them comes sooner or later. So we forbid the tail. There are three rules:
#
# - **top-k** keeps the k likeliest tokens;
# - **top-p** keeps the fewest likely tokens that together have the probability p;
# - **min-p** keeps tokens at least p times as likely as the best one.

# %%
sure = [tokenizer.end_of_text, *tokenizer.encode("Once there was a girl called Nora. One morning, Nora lost her hat. \"I have lost my")]
rules = {"all": lambda z: z, "top-k 10": lambda z: top_k(z, 10), "top-p 0.9": lambda z: top_p(z, 0.9), "min-p 0.1": lambda z: min_p(z, 0.1)}
guess = predict("Top-k keeps 10 tokens, here and everywhere. How many does top-p 0.9 keep for 'I have lost my', where Nora has lost her hat?")

# %%
kept = {}
for name, rule in rules.items():
    kept[name] = [int((rule(model(torch.tensor([some]))[:, -1]) > -torch.inf).sum()) for some in (place, sure)]
    print(f"{name:10} where she sits: {kept[name][0]:5,} tokens     what she has lost: {kept[name][1]:5,} tokens")

# %% tags=["prose"]
guess.was(kept["top-p 0.9"][1], f"And {kept['top-p 0.9'][0]} where the story has a free choice. That is why top-p and min-p are preferred to top-k: they keep few tokens where the model is sure and many where it is not.")

# %% [markdown]
# ## Break it
#
# What is too cold, what is too hot? The village has a checker that reads a story and verifies every sentence: who is where, who holds what, whom *she* means. So we can count instead of guessing.

# %%
def share_right(**settings) -> float:
    """The share of the sentences of some stories that the checker understands and that contradict nothing."""
    count = sized(6, 1)
    texts = complete(model, tokenizer, [prompt] * count, SamplingConfig(max_new_tokens=sized(200, 12), **settings))
    verdicts = [verdict for text in texts for verdict in check((prompt + text).rsplit(".", 1)[0] + ".").sentences]
    return sum(v.understood and not v.contradictions for v in verdicts) / max(1, len(verdicts))


heats = sized([0.3, 0.7, 1.0, 1.5, 2.0], [0.5])
guess = predict("At which temperature will the share of right sentences fall below one half?", ["0.7", "1.0", "1.5", "2.0"])

# %%
plain = [share_right(temperature=t) for t in heats]
trimmed = [share_right(temperature=t, min_p=0.1) for t in heats]
figure, axes = canvas(7, 2.8)
axes.plot(heats, plain, "o-", color=ACCENT, label="temperature alone")
axes.plot(heats, trimmed, "o-", color=Q, label="with min-p 0.1")
axes.set(xlabel="temperature", ylabel="share of right sentences", ylim=(0, 1.05), title="What heat does to a story")
axes.legend()
picture(figure)

# %% tags=["prose"]
broken = next((f"{t:.1f}" for t, share in zip(heats, plain) if share < 0.5), "none of them")
guess.was(broken, f"With min-p the share at temperature {heats[-1]:g} is {trimmed[-1]:.0%} instead of {plain[-1]:.0%}. The rules compose: first the temperature, then what is left of the tail is cut.")

# %% [markdown]
# ## Build it
#
# A rule is a function from scores to scores. Write one that forbids a set of words, by giving them the score minus infinity, and the loop that uses it.

# %%
forbidden = {tokenizer.token_id(token) for token in (b" Nora", b" she", b" She", b" her")}


def without_words(z: torch.Tensor) -> torch.Tensor:
    """Scores (V,) -> scores (V,) in which some tokens cannot be chosen."""
    z = z.clone()
    z[list(forbidden)] = -torch.inf
    return z


def write(n: int, rule, seed: int = 0) -> str:
    """n tokens after the prompt, each drawn from the scores that the rule leaves."""
    draw, text = torch.Generator().manual_seed(seed), list(ids)
    for _ in range(n):
        p = rule(model(torch.tensor([text]))[0, -1]).softmax(-1)
        text.append(int(torch.multinomial(p, 1, generator=draw)))
    return tokenizer.decode(text[len(ids) :])


print("any word:     ", prompt + write(sized(40, 3), lambda z: z).replace("\n", " "))
print("without 'she':", prompt + write(sized(40, 3), without_words).replace("\n", " "))

# %% [markdown]
# ## Put it into the real model
#
# Your loop reads the whole text again for each new token. But with a causal model everything that was computed for the earlier tokens stays true (lesson 03). It is enough to keep their **keys and values**: this is
# the **KV cache**. Reading the prompt at once is called **prefill**, and one step with one new token **decode**.

# %%
cache = model.make_cache(1, 512)
long = [tokenizer.end_of_text, *tokenizer.encode(Village().story("validation", 1).text)][: sized(300, 30)]
whole = model(torch.tensor([long]))[0, -1]
model(torch.tensor([long[:-1]]), cache=cache.at([0]))  # prefill
step = model(torch.tensor([long[-1:]]), cache=cache.at([0]))[0, -1]  # decode: one token
print("the same scores:", torch.allclose(whole, step, atol=1e-4))
guess = predict(f"Reading {len(long)} tokens to get the next one against reading 1 token with the cache: how many times faster is the cache?")

# %%
def milliseconds(act) -> float:
    """The shortest of several times."""
    times = []
    for _ in range(sized(12, 2)):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


def with_cache(n: int) -> float:
    """The time of one decoding step behind n tokens."""
    caches = [model.make_cache(1, 512) for _ in range(sized(12, 2))]
    for each in caches:
        model(torch.tensor([long[:n]]), cache=each.at([0]))
    ready = iter(caches)
    return milliseconds(lambda: model(torch.tensor([long[-1:]]), cache=next(ready).at([0])))


lengths = sized([1, 50, 100, 200, 299], [1, 20])
again = [milliseconds(lambda n=n: model(torch.tensor([long[:n]]))) for n in lengths]
cached = [with_cache(n) for n in lengths]
figure, axes = canvas(7, 2.8)
axes.plot(lengths, again, "o-", color=ACCENT, label="read everything again")
axes.plot(lengths, cached, "o-", color=Q, label="with a KV cache")
axes.set(xlabel="tokens before", ylabel="milliseconds for one token", ylim=0, title="The price of the next token")
axes.legend()
picture(figure)

# %% tags=["prose"]
size = 2 * model.config.n_layer * model.config.n_embd * 4
guess.was(round(again[-1] / cached[-1], 1), f"{again[-1]:.1f} ms against {cached[-1]:.1f} ms. The cache costs memory instead: a key and a value of {model.config.n_embd} numbers in each of {model.config.n_layer} layers, {size:,} bytes for each token. For GPT-3 it would be "
          f"{2 * 96 * 12288 * 2 / 1e6:.1f} MB for each token in 16 bits, and serving many users is mainly a matter of where to put these.")

# %% [markdown]
# The package does all of this in `generate`: a cache, and the rules in a fixed order.

# %%
config = SamplingConfig(temperature=0.7, min_p=0.05, seed=5, max_new_tokens=sized(120, 4))
print("the rules, in order:", " -> ".join(stage.name for stage in pipeline(config)))
print(prompt + tokenizer.decode([token.id for token in generate(model, [ids], config)]))

# %% [markdown]
# ## Three experiments
#
# 1. Let the model write 500 tokens greedily from an empty prompt (`temperature=0`). Does it begin to repeat itself? What does `repetition_penalty=1.2` change, and what does it spoil?
# 2. Find the smallest `top_k` at which `share_right` does not fall at temperature 1. Why is k = 1 not the best story although it is the most certain one?
# 3. Make the two models of a bet: draw the first half of a story at temperature 1.5 and the second at 0.3. Do mistakes of the first half spoil the second?
#
# ## Where the real code is
#
# - [generate/sampling.py](../glassformer/generate/sampling.py): the rules, each a function of a few lines with its paper.
# - [generate/decode.py](../glassformer/generate/decode.py) and [engine.py](../glassformer/generate/engine.py): the loop, for many texts at once.
# - [model/cache/](../glassformer/model/cache/): the KV cache, with slots that texts can join and leave.
#
# In the terminal: `./glass generate village-mini "One morning" -s temperature=1.2 -s min_p=0.1`.
#
# Next: `./glass lessons open 09`, inside a trained model.
