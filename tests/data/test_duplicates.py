import itertools
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora.village import Village
from glassformer.data.prepare import duplicates
from glassformer.data.prepare.duplicates import (
    N_PERMUTATIONS,
    compared,
    jaccard,
    near_duplicates,
    plain_signature,
    rows_of_a_band,
    shingles_of,
    signatures,
)

TEXT = st.text(st.one_of(st.sampled_from("ab AB é.中文ก\n"), st.characters()), max_size=80)


def exact(one: str, two: str) -> float:
    """Jaccard's similarity by its definition."""
    a, b = shingles_of(one), shingles_of(two)
    return len(a & b) / len(a | b) if a | b else 0.0


def near_copy(text: str, rng: random.Random) -> str:
    """A text with about 5 % of its words replaced, dropped or doubled, or its case and spaces changed, or cut short."""
    words = text.split(" ")
    kind = rng.randrange(4)
    if kind == 0:
        return "  ".join(words).upper().replace(".", " .")
    if kind == 1:
        return " ".join(words[: len(words) - max(1, len(words) // 12)])
    for _ in range(round(len(words) * 0.05)):
        place = rng.randrange(len(words))
        words[place] = rng.choice(["", f"new{rng.randrange(100)}", words[place] + " " + words[place]])
    return " ".join(words) if kind == 2 else " ".join(words).lower().replace("\n", "\n\n")


def planted(stories: list[str], n_copies: int, seed: int) -> tuple[list[str], dict[int, int]]:
    """Stories with near copies of some of them at random later places, and which document is a copy of which."""
    rng = random.Random(seed)
    places = sorted([(i, i, text) for i, text in enumerate(stories)] + [
        (rng.uniform(i, len(stories)), i, near_copy(stories[i], rng)) for i in rng.sample(range(len(stories)), n_copies)
    ])  # fmt: skip
    first, copy_of = {}, {}
    for number, (place, story, _) in enumerate(places):
        if place == story:
            first[story] = number
        else:
            copy_of[number] = first[story]
    return [text for _, _, text in places], copy_of


def stories(n: int) -> list[str]:
    documents = Village(megabytes=n * 0.9e-3, seed=5).documents()
    return [document.text for document in itertools.islice(documents, n)]


@given(st.lists(TEXT, max_size=5))
def test_the_kernel_equals_its_plain_twin(texts):
    assert signatures(texts).tolist() == [plain_signature(text).tolist() for text in texts]


def test_a_text_longer_than_the_kernels_buffer_has_the_signature_of_the_plain_twin():
    for unit in ("word{} and another ", "字{}é "):
        text = "".join(unit.format(i) for i in range(2000))
        assert signatures([text])[0].tolist() == plain_signature(text).tolist()


@given(TEXT, TEXT)
def test_jaccard_is_that_of_the_shingles(one, two):
    assert jaccard(one, two) == exact(one, two)


def test_what_a_shingle_is():
    assert shingles_of("The cat, the DOG (and) I; 2 of us!") == {
        ("the", "cat", "the", "dog", "and"), ("cat", "the", "dog", "and", "i"), ("the", "dog", "and", "i", "2"),
        ("dog", "and", "i", "2", "of"), ("and", "i", "2", "of", "us"),
    }  # fmt: skip
    assert shingles_of("Only three words.") == {("only", "three", "words")}
    assert shingles_of("我们今天去看海") == {tuple("我们今天去"), tuple("们今天去看"), tuple("今天去看海")}
    assert shingles_of("?! ...") == set()


def test_the_estimate_is_unbiased_and_as_exact_as_the_formula_says():
    rng = random.Random(1)
    errors = []
    for _ in range(600):
        words = [f"w{rng.randrange(9999)}" for _ in range(rng.choice([60, 300]))]
        edited = [word if rng.random() > 0.08 * rng.random() else "new" for word in words]
        one, two = " ".join(words), " ".join(edited)
        similarity = exact(one, two)
        if 0.05 < similarity < 0.95:
            estimate = np.mean(np.equal(*signatures([one, two])))
            errors.append((estimate - similarity) / (similarity * (1 - similarity) / N_PERMUTATIONS) ** 0.5)
    assert len(errors) > 400 and abs(np.mean(errors)) < 0.15 and 0.9 < np.std(errors) < 1.1


def test_the_docstrings_numbers():
    assert rows_of_a_band(0.8) == 6 and compared(0.8, 6) > 0.998
    assert compared(0.5, 6) == pytest.approx(0.28, abs=0.01) and 1 / compared(0.1, 6) == pytest.approx(50_000, rel=0.1)
    for threshold in np.linspace(0.05, 1, 40):
        r = rows_of_a_band(threshold)
        assert compared(threshold, r) >= 0.99 or r == 1
        assert r == N_PERMUTATIONS or compared(threshold, r + 1) < 0.99


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.6, 0.7])
def test_as_many_pairs_are_compared_as_the_curve_says(similarity):
    """Pairs of signatures, each of whose places are equal with that probability."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2**32 - 1, (8000, N_PERMUTATIONS), dtype=np.uint32)
    rows[1::2] = np.where(rng.random((4000, N_PERMUTATIONS)) < similarity, rows[::2], rows[1::2])
    found = len(duplicates._near_pairs(rows, 6, low=0.0, sure=2.0))
    share = compared(similarity, 6)
    assert abs(found / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5


@pytest.mark.parametrize("verified", [False, True])
def test_what_goes_repeats_what_stays(verified):
    texts, _ = planted(stories(600), 300, seed=2)
    verify = (lambda i, j: exact(texts[i], texts[j])) if verified else None
    rows = signatures(texts)
    first = near_duplicates(rows, 0.6, verify)
    went = np.flatnonzero(first >= 0)
    assert len(went) > 150
    for i in went:
        similarity = exact(texts[i], texts[first[i]]) if verified else np.mean(rows[i] == rows[first[i]])
        assert first[i] < i and first[first[i]] == -1 and similarity >= 0.6
    for n in (1, 200, 777):
        assert near_duplicates(rows[:n], 0.6, verify).tolist() == first[:n].tolist()  # what comes later changes nothing


def test_a_chain_of_small_changes_keeps_both_its_ends():
    words = [f"w{i}" for i in range(200)]
    chain = [" ".join(words[i * 10 : i * 10 + 100]) for i in range(4)]
    assert exact(chain[0], chain[1]) > 0.8 > 0.7 > exact(chain[0], chain[2])
    first = near_duplicates(signatures(chain), 0.8, lambda i, j: exact(chain[i], chain[j]))
    assert first.tolist() == [-1, 0, -1, 2]


def test_of_many_copies_the_first_stays_and_documents_without_words_are_let_be():
    texts = ["?!", "a story of five words", "...", *["A STORY, of five words!"] * 5000, ""]
    assert near_duplicates(signatures(texts), 0.9).tolist() == [-1, -1, -1, *[1] * 5000, -1]
    assert near_duplicates(signatures([]), 0.9).tolist() == []


def test_many_unlike_documents_in_one_bucket_take_bounded_time():
    """Every document shares its first band with all others, and nothing else: at most 256 comparisons each."""
    rows = np.random.default_rng(0).integers(0, 2**32 - 1, (30_000, N_PERMUTATIONS), dtype=np.uint32)
    rows[:, :6] = 7
    rows[-1] = rows[-2]
    assert np.flatnonzero(near_duplicates(rows, 0.8) >= 0).tolist() == [29_999]


def test_signatures_may_lie_on_disk(tmp_path):
    texts, _ = planted(stories(200), 50, seed=3)
    rows = signatures(texts)
    rows.tofile(tmp_path / "signatures")
    mapped = np.memmap(tmp_path / "signatures", np.uint32, "r").reshape(-1, N_PERMUTATIONS)
    assert near_duplicates(mapped, 0.5).tolist() == near_duplicates(rows, 0.5).tolist()


def test_all_pairs_compared_exactly_find_the_same():
    """The oracle compares all pairs of 600 documents by definition, and decides in order."""
    texts, _ = planted(stories(500), 100, seed=4)
    sets = list(map(shingles_of, texts))
    expected = np.full(len(texts), -1)
    for i, j in itertools.combinations(range(len(texts)), 2):
        if expected[i] < 0 and expected[j] < 0 and len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.7:
            expected[j] = i
    found = near_duplicates(signatures(texts), 0.7, lambda i, j: jaccard(texts[i], texts[j]))
    assert (expected >= 0).sum() > 40 and np.mean(found == expected) > 0.995


@pytest.mark.parametrize("verified", [False, True])
@pytest.mark.parametrize("n, n_copies", [(1500, 150), pytest.param(20_000, 2000, marks=pytest.mark.slow)])
def test_planted_copies_are_found_and_nothing_else(n, n_copies, verified):
    """With 5 % of the words edited about 0.63 of the shingles agree, so 0.5 finds all; of no two stories do 0.4."""
    texts, copy_of = planted(stories(n), n_copies, seed=0)
    verify = (lambda i, j: jaccard(texts[i], texts[j])) if verified else None
    rows = signatures(texts)
    for threshold in (0.5, 0.8):
        first = near_duplicates(rows, threshold, verify)
        went = {int(i): int(first[i]) for i in np.flatnonzero(first >= 0)}
        # of what was planted, that counts which is so near by definition
        true = {i: j for i, j in copy_of.items() if exact(texts[i], texts[j]) >= threshold}
        precision = sum(exact(texts[i], texts[j]) >= threshold for i, j in went.items()) / len(went)
        recall = sum(went.get(i) == j for i, j in true.items()) / len(true)
        print(f"threshold {threshold}: precision {precision:.4f}, recall {recall:.4f} of {len(true)}")
        if threshold == 0.5:
            assert len(true) > 0.98 * n_copies
            precision_planted = sum(copy_of.get(i) == j for i, j in went.items()) / len(went)
            assert precision_planted >= 0.98
        if verified or threshold == 0.5:
            assert precision >= 0.98 and recall >= 0.98
        else:
            assert precision >= 0.95 and recall >= 0.95  # the estimate errs near the threshold
