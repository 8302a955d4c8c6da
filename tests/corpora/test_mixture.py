import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora import Corpus, Skipped, corpus, is_mixture
from glassformer.corpora.mixture import Mixture
from glassformer.errors import CorpusError, SettingError
from glassformer.recipes.presets import mini


@pytest.fixture
def books(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    (folder / "b.jsonl").write_text('"two"\n{\n')
    return folder


def test_a_mixture_is_all_of_its_parts_with_the_number_of_each(books):
    mixed = corpus(f"village=0.6,{books}=0.2")
    mixed = mixed.model_validate({"parts": {"village": {"weight": 0.6, "megabytes": 0.01}, str(books): 0.2}})
    assert isinstance(mixed, Mixture)
    village = Corpus.named("village", megabytes=0.01)
    found = list(mixed.documents())
    alone = [list(village.documents()), list(corpus(str(books)).documents())]
    assert [(d.text, d.origin, d.split) for d in found] == [(d.text, d.origin, d.split) for part in alone for d in part]
    assert [d.source for d in found] == [0] * len(alone[0]) + [1] * 3
    (skipped,) = [d for d in found if isinstance(d, Skipped)]
    assert skipped.source == 1 and str(skipped).startswith("b.jsonl:2 is not valid JSON")
    assert mixed.sources == ("village", "files:books")
    assert mixed.weights == pytest.approx((0.75, 0.25))


def test_a_plain_corpus_is_one_source():
    assert (corpus("village").sources, corpus("village").weights) == (("village",), (1.0,))


def test_it_is_a_setting_and_survives_being_saved(books):
    parts = json.dumps({"village": 0.7, str(books): {"weight": 0.3, "text_field": "body"}})
    recipe = mini().override("corpus=mixture", f"corpus.parts={parts}")
    assert recipe.from_json(recipe.to_json()) == recipe
    assert recipe.corpus == corpus(f"village=0.7,{books}=0.3").override(f"parts={parts}")
    assert recipe.corpus.parts[str(books)].corpus == corpus(str(books)).override("text_field=body")
    assert recipe.override("corpus.parts.village.corpus.megabytes=1").corpus.parts["village"].corpus.megabytes == 1


def test_its_fingerprint_follows_parts_weights_and_order(books):
    first = corpus(f"village=0.7,{books}=0.3").fingerprint()
    assert corpus(f"village=0.7,{books}=0.3").fingerprint() == first
    others = [f"village=0.6,{books}=0.3", f"{books}=0.3,village=0.7", f"python=0.7,{books}=0.3"]
    assert len({first, *(corpus(other).fingerprint() for other in others)}) == 4


@pytest.mark.parametrize(
    "source, words",
    [
        ("vilage=0.7,python=0.3", ["'vilage'", "did you mean 'village'"]),
        ("village=0.7,village=0.3", ["twice"]),
        ("village=0,python=1", ["greater than 0"]),
        ("mixture", ["village=0.7,./books=0.3"]),
        ("files", ["path"]),
        ("hub", ["hf:NAME"]),
        ("hf:", ["hf:NAME"]),
        ("village=0.7,hf:./nowhere=0.3,=1", ["no file, folder or corpus"]),
        ("", ["there is: "]),
    ],
)
def test_a_mistake_is_one_sentence(source, words):
    with pytest.raises((CorpusError, SettingError)) as error:
        corpus(source)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value), str(error.value)


def test_nested_mixtures_are_refused(books):
    inner = {"corpus": {"name": "mixture", "parts": {"village": 1, str(books): 1}}, "weight": 1}
    with pytest.raises(SettingError, match="itself a mixture"):
        Corpus.named("mixture", parts={"village": 1, "inner": inner})
    with pytest.raises(CorpusError, match="alone is not a source"):
        Corpus.named("mixture", parts={"village": 1, "mixture": 1})


@pytest.mark.parametrize("parts", [{}, {"village": "much"}, {"village": {"megabytes": 1}}, [], 3, {"village": -1}])
def test_parts_that_are_none_are_refused(parts):
    with pytest.raises(SettingError):
        Corpus.named("mixture", parts=parts)


@given(st.dictionaries(st.text("abc./:", min_size=1), st.floats(0.001, 1000), min_size=2))
def test_the_short_form_is_read_as_written(weights):
    assert is_mixture(",".join(f"{source}={weight:f}" for source, weight in weights.items()))
    assert not is_mixture("train.steps=500") and not is_mixture("corpus=village,x") and not is_mixture("a=1,b")
