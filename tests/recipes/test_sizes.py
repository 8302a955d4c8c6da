"""What a text decides when the user has decided nothing: vocabulary, model, steps, evaluations (fault 20)."""

import json
import random

import pytest

from glassformer.corpora import corpus
from glassformer.recipes import build
from glassformer.recipes.presets import mini
from glassformer.recipes.sizes import fitted, speedrun, told, with_vocabulary
from glassformer.runs import checkpoint
from glassformer.runs.run import Run


def book(path, n_bytes, seed=0):
    """A text of about so many bytes whose sentences repeat words, as texts do."""
    rng, words = random.Random(seed), [f"{a}{b}" for a in ("ba", "ke", "li", "so") for b in ("", "n", "st", "ro", "mi")]
    text = ""
    while len(text) < n_bytes:
        text += " ".join(rng.choices(words, range(20, 0, -1), k=9)).capitalize() + rng.choice([". ", ".\n", ".\n\n"])
    path.write_text(text)
    return path


def recipe_for(path, *settings):
    return mini().model_copy(update={"corpus": corpus(str(path))}).override(*settings)


def test_fault_20_a_smaller_text_gets_a_smaller_vocabulary_and_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    for n_bytes in (30_000, 200_000):
        recipe = with_vocabulary(recipe_for(book(tmp_path / f"{n_bytes}.txt", n_bytes)), set())
        data = build.dataset(recipe, lambda *told: None)
        chosen, sentence = fitted(recipe, data.index.train.bytes, data.index.train.tokens, set())
        model, train = chosen.model, chosen.train
        read = train.steps * train.batch_size * model.context_length / len(data.train)
        found.append((data.tokenizer.vocab_size, model.n_layer, model.n_layer * model.n_embd**2))
        assert 8 < read < 40 and train.patience and train.eval_every == 0.04
        assert "kB of training text" in sentence and f"{model.n_layer} layers {model.n_embd} wide" in sentence
        assert f"{train.steps:,} steps, fewer if {train.patience} evaluations in a row" in sentence
    assert found[0] < found[1]


def test_what_the_user_has_set_is_not_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = ["tokenizer.vocab_size=320", "model.n_layer=3", "train.steps=70", "train.eval_every=7", "model.dropout=0"]
    given = told(settings)
    recipe = recipe_for(book(tmp_path / "my book.txt", 30_000), *settings)
    assert with_vocabulary(recipe, given) == recipe
    index = build.dataset(recipe, lambda *told: None).index
    chosen, sentence = fitted(recipe, index.train.bytes, index.train.tokens, given)
    assert chosen.model.n_layer == 3 and chosen.model.n_embd == mini().model.n_embd  # the shape is one decision
    assert chosen.train.steps == 70 and chosen.train.eval_every == 7 and chosen.model.dropout == 0
    assert chosen.train.patience is None and "fewer if" not in sentence  # 70 steps are 70 steps
    assert chosen.model.context_length == 128


@pytest.mark.parametrize("source", ["village", None])
def test_for_the_village_nothing_changes(source, tmp_path):
    recipe = mini() if source is None else mini().model_copy(update={"corpus": corpus(source)})
    assert with_vocabulary(recipe, set()) == recipe
    assert fitted(recipe, 30_000, 9_000, set()) == (recipe, "")


def test_fault_34_a_text_is_planned_as_it_would_be_trained(tmp_path, glass):
    book(tmp_path / "book.txt", 30_000)
    settings = ["train.steps=2", "train.eval_tokens=256", "sample.max_new_tokens=8", "train.precision=fp32"]
    before = json.loads(glass("plan", "book.txt", *settings, "--hardware", "rtx4090", "--json")[1])
    assert glass("train", "book.txt", *settings, "--name", "run")[0] == 0
    trained = json.loads((tmp_path / "runs/run/recipe.json").read_text())
    after = json.loads(glass("plan", "book.txt", *settings, "--hardware", "rtx4090", "--json")[1])
    assert before["recipe"]["model"] == after["recipe"]["model"] == trained["model"]
    listed = " ".join(glass("settings", "book.txt", *settings)[1].split())
    assert "model.n_layer = 2 " in listed and "model.n_embd = 128 " in listed
    assert not before["data"]["exact"] and after["data"]["exact"]
    assert 1 / 3 < before["data"]["tokens"] / after["data"]["tokens"] < 3  # it repeats itself more than a book does


@pytest.mark.slow
def test_fault_20_train_my_book_uses_the_weights_of_the_lowest_held_out_loss(tmp_path, glass, monkeypatch):
    """README's own command on 35 kB, where the old defaults had their lowest loss at step 25 of 200 and kept step 200."""
    monkeypatch.chdir(tmp_path)
    book(tmp_path / "my_book.txt", 35_000)
    code, out, err = glass("train", "my_book.txt")
    assert code == 0, err
    assert "chosen for" in out
    evals = Run.open(tmp_path / "runs/my_book").metrics("eval")
    lowest, best = min(line["loss"] for line in evals), checkpoint.load(tmp_path / "runs/my_book", checkpoint.best)
    used = next(line["loss"] for line in evals if line["step"] == best.step)
    assert used <= 1.02 * lowest and used < 0.8 * evals[0]["loss"]


def test_a_speedrun_reads_characters_of_a_small_text_and_tokens_of_a_large_one(tmp_path):
    assert speedrun(corpus("village")) == "speedrun_tokens" == speedrun(corpus("python"))
    assert speedrun(corpus(str(book(tmp_path / "book.txt", 10_000)))) == "speedrun"


def test_a_speedrun_learns_in_a_few_steps_what_counting_pairs_cannot(tmp_path, glass):
    text = book(tmp_path / "book.txt", 60_000)
    code, _, err = glass("train", text, "--speedrun", "train.steps=30", "--name", "quick")
    assert code == 0, err
    lines = Run.open(tmp_path / "runs/quick").metrics("eval")
    assert lines[-1]["step"] == 30 and lines[-1]["loss"] < 1.4 < lines[0]["loss"]
    code, _, err = glass("train", text, "--speedrun", "--recipe", "python")
    assert code == 2 and "leave out --recipe python" in err
