import itertools
import random

import numpy as np
import pytest

from glassformer.corpora.village import Village
from glassformer.data.clean import CleanConfig, Cleaner, report
from glassformer.data.clean.quality import N_PLACES, Quality, features, train_quality
from glassformer.errors import DatasetError


def stories(n: int) -> list[str]:
    return [document.text for document in itertools.islice(Village(megabytes=1, seed=3).documents(), n)]


def shuffled(text: str, seed: int) -> str:
    """The same words in another order: only pairs of words can tell."""
    words = text.split()
    random.Random(seed).shuffle(words)
    return " ".join(words)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("quality") / "model.safetensors"
    good = stories(600)
    bad = [shuffled(text, i) for i, text in enumerate(good[300:])]
    return path, train_quality(good[:300], bad, path), good, bad


def test_it_tells_stories_from_shuffled_ones(trained):
    path, told, _, _ = trained
    assert (told.good, told.bad, told.held_out) == (300, 300, 60)
    assert told.accuracy > 0.9 and told.accuracy == (told.good_kept + told.bad_dropped) / 2
    model, unseen = Quality.load(path), stories(800)[600:]
    kept = np.mean([model.score(text) >= 0.5 for text in unseen])
    dropped = np.mean([model.score(shuffled(text, i)) < 0.5 for i, text in enumerate(unseen)])
    assert kept > 0.9 and dropped > 0.9


def test_the_step_drops_what_the_model_holds_for_bad(trained):
    path, _, good, bad = trained
    config = CleanConfig(steps=("quality",), quality_model=str(path))
    cleaner, model = Cleaner(config), Quality.load(path)
    for text in good[:20] + bad[:20]:
        assert bool(cleaner(text)) == (model.score(text) >= 0.5)
    line = report(cleaner.take())[0]
    assert line.documents_before == 40 and 15 < line.documents_after < 25 and line.examples[0].after == ""
    strict = CleanConfig(steps=("quality",), quality_model=str(path), quality_threshold=1.0)
    assert not any(map(Cleaner(strict), bad[:20]))


def test_the_same_examples_give_the_same_file_in_any_order(trained, tmp_path):
    path, told, good, bad = trained
    again = train_quality([*reversed(good[:300]), good[0]], random.Random(0).sample(bad, len(bad)), tmp_path / "again")
    assert again == told and (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_model_of_other_examples_is_another_dataset(trained, tmp_path):
    path, _, good, bad = trained
    other = tmp_path / "other"
    train_quality(good[:100], bad[:100], other)
    configs = [CleanConfig(steps=("quality",), quality_model=str(each)) for each in (path, other)]
    assert configs[0].files() != configs[1].files() and CleanConfig().files() == []
    before = Cleaner(configs[1])(good[0])
    other.write_bytes(path.read_bytes())
    assert configs[0].files() == configs[1].files()
    assert before == good[0] == Cleaner(configs[1])(good[0])


def test_features_are_hashed_words_and_pairs():
    places, values = features("The cat. the CAT.")
    assert len(places) == 3 + 3  # the, cat, "."; the cat, cat ".", ". the"
    assert np.linalg.norm(values) == pytest.approx(1) and places.max() < N_PLACES
    counts = np.sort(values / values.min())
    assert counts == pytest.approx([1] + [np.log(3) / np.log(2)] * 5)
    assert len(features("")[0]) == 0 and len(features("a \ud800")[0]) == 2 + 1


def test_what_is_not_a_model_is_refused(tmp_path, trained):
    good, bad = stories(12), ["spam " * i for i in range(1, 8)]
    with pytest.raises(DatasetError, match="7 different examples of bad text.*needs at least 10"):
        train_quality(good, bad + bad, tmp_path / "model")
    with pytest.raises(DatasetError, match="glass data quality"):
        Quality.load(tmp_path / "model")
    whole = trained[0].read_bytes()
    for data in (b"", b"{}", whole[:1000], whole[: len(whole) // 2], whole.replace(b"quality 1", b"quality 9")):
        (tmp_path / "model").write_bytes(data)
        with pytest.raises(DatasetError, match="is not a quality model.*train one with"):
            Quality.load(tmp_path / "model")
    config = CleanConfig(steps=("quality",), quality_model=str(tmp_path / "none"))
    for ask in (config.files, lambda: Cleaner(config)("text")):
        with pytest.raises(DatasetError, match="there is no quality model"):
            ask()
