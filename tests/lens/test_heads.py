"""What heads do: by construction, in a trained model, not in a random one, and as cause and not as company."""

import math
import random

import pytest
import torch

from glassformer.corpora.village.story import tell
from glassformer.errors import LensError
from glassformer.lab.contracts.model.combinations import label, model
from glassformer.lens import heads
from glassformer.lens.heads import Event, Reading, measure
from glassformer.lens.interventions import ablate, edit, heads_of
from glassformer.model.gpt import GPT, GPTConfig

from .variants import USUAL, some_ids


def test_events_of_a_short_text():
    ids = [7, 8, 7, 9, 7, 8]
    assert heads.previous_token([ids])[0].events == [Event(t, (t - 1,)) for t in range(1, 6)]
    assert heads.first_token([ids])[0].events == [Event(t, (0,)) for t in range(1, 6)]
    assert heads.duplicate_token([ids])[0].events == [Event(2, (0,)), Event(4, (0, 2)), Event(5, (1,))]
    assert heads.induction([ids])[0].events == [Event(2, (1,)), Event(4, (1, 3)), Event(5, (2,))]


def test_rows_are_read_twice_and_avoid_what_has_no_token():
    gpt = model(USUAL, absent=((3, 9),))
    rows = heads.repeated(gpt, n=4, length=40)
    assert len(rows) == 4 and all(len(row) == 16 and row[:8] == row[8:] for row in rows)
    assert not {id for row in rows for id in row} & set(range(3, 10)) and rows != heads.repeated(gpt, 4, 40, seed=1)
    assert all(len(set(row)) == 8 for row in rows)


def test_a_head_that_is_made_to_read_the_token_before_is_found():
    gpt, before = model(USUAL), torch.zeros(16, 16)
    before[0, 0] = 1
    before[1:, :-1] += torch.eye(15)
    found = measure(gpt, "previous token", heads.previous_token(some_ids().tolist()))
    assert not found.passing and found.events == 30
    assert found.chance == pytest.approx(sum(1 / (t + 1) for t in range(1, 16)) / 15)
    with edit(
        gpt,
        "blocks.1.mixer.pattern",
        lambda pattern: torch.cat([pattern[:, :2], before.expand(1, 1, 16, 16), pattern[:, 3:]], 1),
    ):
        found = measure(gpt, "previous token", heads.previous_token(some_ids().tolist()))
    assert found.passing == [found.best] and found.best[:2] == (1, 2) and found.best.name == "blocks.1.mixer.heads.2"
    assert found.best.score == pytest.approx(1) and found.of(1, 2) == found.best.score and found.of(0, 0) < 0.5


@pytest.mark.parametrize(
    "combination", [{**USUAL, "mixer": m} for m in ("linear", "gated_deltanet", "sliding")], ids=label
)
def test_every_mixer_with_weights_is_measured(combination):
    found = measure(model(combination), "first token", heads.first_token(some_ids().tolist()))
    assert all(0 <= head.score <= 1 for head in found.heads) and found.heads == sorted(
        found.heads, key=lambda h: -h.score
    )
    assert len(found.heads) == 2 * 4


def test_without_occasion_or_pattern_there_is_no_score():
    with pytest.raises(LensError, match="no occasion for induction"):
        measure(model(USUAL), "induction", heads.induction([[1, 2, 3]]))
    own = {**USUAL, "mixer": __file__.replace("lens/test_heads.py", "model/mean_mixer.py")}
    with pytest.raises(LensError, match="RunningMean"):
        measure(model(own), "first token", heads.first_token([[1, 2, 3]]))


def test_pronouns_ask_for_whom_they_mean_and_names_for_where_they_were_said(village_mini):
    _, tokenizer = village_mini
    text = "Once there was a girl called Mira. She had a red kite."
    (meant,), (chosen,), (said,) = (
        f([text], tokenizer, 512) for f in (heads.referents, heads.pronoun_choice, heads.names)
    )

    def words(ids, places):
        return "".join(tokenizer.decode([ids[i]]) for i in places)

    ((query, keys, rivals),) = meant.events
    assert words(meant.ids, [query]).strip() == "She" and words(meant.ids, keys).strip() == "Mira"
    assert chosen.events == [Event(query - 1, keys)] and rivals == ()
    assert said.events == [] and said.ids[0] == tokenizer.require_end_of_text()
    (again,) = heads.names([f"{text} Mira was happy."], tokenizer, 512)
    ((query, keys, _),) = again.events
    assert words(again.ids, [query]) == "." and words(again.ids, keys).strip() == "Mira"
    short = heads.referents([text], tokenizer, meant.events[0].query)[0]
    assert short.events == [] and len(short.ids) == meant.events[0].query, "what lies beyond the context is not asked"


def test_it_and_the_mat(village_mini):
    """In "The cat sat on the mat because it was warm", "it" is the mat. A head made to read it from there is found."""
    gpt, tokenizer = village_mini
    text = "The cat sat on the mat because it was warm."
    ids, spans = tokenizer.encode_with_offsets(text)
    it, mat = (
        [i for i, (a, b) in enumerate(spans) if a < text.index(w) + len(w) and b > text.index(w)] for w in ("it", "mat")
    )
    reading = Reading(ids, [Event(it[-1], tuple(mat))])

    def pattern_of(value):
        value = value.clone()
        value[0, 1, it[-1]] = 0
        value[0, 1, it[-1], mat] = 1 / len(mat)
        return value

    with edit(gpt, "blocks.2.mixer.pattern", pattern_of):
        found = measure(gpt, "referent", [reading])
    assert found.events == 1 and found.best[:2] == (2, 1) and found.best.score == pytest.approx(1)
    assert (
        tokenizer.decode([ids[i] for i in it]).strip() == "it"
        and tokenizer.decode([ids[i] for i in mat]).strip() == "mat"
    )


def test_a_trained_model_has_a_name_head_and_a_random_one_has_none(village_mini):
    gpt, tokenizer = village_mini
    stories = [tell(1, "validation", i).text for i in range(4)]
    asked = {
        what: f(stories, tokenizer, 512)
        for what, f in (("name", heads.names), ("pronoun choice", heads.pronoun_choice))
    }
    random_one = GPT(gpt.config, seed=3).eval()
    for what, readings in asked.items():
        trained, untrained = measure(gpt, what, readings), measure(random_one, what, readings)
        assert trained.best.score > 10 * trained.chance and trained.best in trained.passing
        assert not untrained.passing and untrained.best.score < 2 * untrained.chance
        assert trained.best.picked > trained.chance_picked + 0.15, "it reads the one that is meant, not just any name"
        assert trained.chance == untrained.chance and trained.events == untrained.events > 20


def test_the_cost_is_what_the_next_tokens_cost(village_mini):
    gpt, tokenizer = village_mini
    readings = heads.names([tell(2, "validation", 0).text], tokenizer, 512)
    ((ids, events),) = readings
    with torch.no_grad():
        log_p = gpt(torch.tensor([ids]))[0].log_softmax(-1)
    expected = -sum(float(log_p[e.query, ids[e.query + 1]]) for e in events) / len(events)
    assert heads.cost(gpt, readings) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(LensError, match="nothing is asked"):
        heads.cost(gpt, heads.induction([[1, 2, 3]]))


def is_needed_most(gpt, best, readings, n, seed):
    """Whether the model loses more without the head `best` than without any of n others, chosen at random."""
    others = random.Random(seed).sample([head for head in heads_of(gpt) if head != best], n)
    costs = {}
    for head in [best, *others]:
        with ablate(gpt, head):
            costs[head] = heads.cost(gpt, readings)
    return max(costs, key=costs.__getitem__) == best


@pytest.mark.slow
@pytest.mark.parametrize("what", ["name", "pronoun choice"])
def test_without_the_head_that_scores_best_the_model_loses_more_than_without_any_other(village_mini, what):
    """Ten seeds: other stories, and five other heads at random."""
    gpt, tokenizer = village_mini
    asked, won = {"name": heads.names, "pronoun choice": heads.pronoun_choice}[what], 0
    for seed in range(10):
        readings = asked([tell(100 + seed, "validation", i).text for i in range(8)], tokenizer, 512)
        won += is_needed_most(gpt, measure(gpt, what, readings).best.name, readings, 5, seed)
    assert won >= 9


@pytest.mark.slow
def test_over_500_stories_the_trained_model_passes_and_a_random_one_fails(village_mini):
    gpt, tokenizer = village_mini
    stories = [tell(0, "validation", i).text for i in range(heads.STORIES)]
    random_one = GPT(gpt.config, seed=3).eval()
    questions = {
        "name": heads.names(stories, tokenizer, 512),
        "pronoun choice": heads.pronoun_choice(stories, tokenizer, 512),
    }
    trained = heads.measure_all(gpt, questions)
    untrained = heads.measure_all(random_one, {what: its[:100] for what, its in questions.items()})
    for what in questions:
        assert trained[what].passing and trained[what].best.score > 15 * trained[what].chance
        assert not untrained[what].passing and untrained[what].best.score < 1.5 * untrained[what].chance
        assert trained[what].events > 4000


def test_a_survey_asks_everything_and_agrees_with_single_questions(village_mini):
    gpt, tokenizer = village_mini
    stories = [tell(3, "validation", i).text for i in range(2)]
    found = heads.survey(gpt, tokenizer, stories)
    assert set(found) == {
        "previous token",
        "first token",
        "duplicate token",
        "induction",
        "name",
        "pronoun choice",
        "referent",
    }
    alone = measure(gpt, "name", heads.names(stories, tokenizer, 512))
    assert (
        found["name"].best == alone.best
        and found["name"].chance == alone.chance
        and found["name"].events == alone.events
    )
    assert "name" not in heads.survey(gpt, tokenizer, ["One day it rained."])


def test_a_head_that_reads_every_name_picks_nobody():
    gpt, even = model(USUAL), torch.zeros(16, 16)
    even[:, [1, 2, 3]] = 1 / 3
    reading = Reading(some_ids()[0].tolist(), [Event(9, (1,), (2, 3)), Event(12, (4,))])
    with edit(gpt, "blocks.0.mixer.pattern", even):
        found = measure(gpt, "name", [reading])
    its = next(head for head in found.heads if head[:2] == (0, 1))
    assert its.score == pytest.approx(1 / 6) and its.picked == pytest.approx(1 / 3) == found.chance_picked
    assert found.chance == pytest.approx((1 / 10 + 1 / 13) / 2)
    assert math.isnan(measure(gpt, "name", [Reading([1, 2], [Event(1, (0,))])]).chance_picked)


def trained_to_repeat(steps=200):
    """A model that has read random tokens again and again. Its embedding knows pairs, so one head is enough for induction:
    a token asks for the place whose pair begins with it."""
    shape = {"vocab_size": 32, "context_length": 64, "n_layer": 2, "n_head": 4, "n_embd": 64, "init": "fan_in"}
    gpt = GPT(GPTConfig.parse({**shape, "embed": {"name": "ngram", "order": 2, "rows": 2048}}), seed=1)
    optimizer, generator = torch.optim.AdamW(gpt.parameters(), lr=3e-3), torch.Generator().manual_seed(1)
    for _ in range(steps):
        rows = []
        for _ in range(32):
            length = int(torch.randint(6, 25, (), generator=generator))
            rows.append(torch.randperm(32, generator=generator)[:length].repeat(48 // length + 1)[:49])
        batch = torch.stack(rows)
        optimizer.zero_grad()
        gpt(batch[:, :-1], batch[:, 1:]).mean().backward()
        optimizer.step()
    return gpt.eval()


@pytest.mark.slow
def test_a_model_trained_on_repetitions_has_an_induction_head_and_needs_it():
    gpt, won = trained_to_repeat(), 0
    untrained = measure(GPT(gpt.config, seed=1), "induction", heads.induction(heads.repeated(gpt, 10, 24)))
    assert not untrained.passing
    for seed in range(10):
        readings = heads.induction(heads.repeated(gpt, 10, 24, seed))
        found = measure(gpt, "induction", readings)
        assert found.best in found.passing
        won += is_needed_most(gpt, found.best.name, readings, 3, seed)
    assert won >= 9
