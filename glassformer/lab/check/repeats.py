"""What occurs many times within a split: documents that repeat each other exactly or nearly, and long passages.

A model memorises what it reads a hundred times (Lee et al. 2022, "Deduplicating Training Data Makes Language Models
Better"), and each reading costs compute. `glass prepare` drops exact repetitions, so those are found only in datasets
that were made in another way.

Passages are found by sorting the hashes of all n-grams. Of a large split, only hashes divisible by k are kept (k such
that about eight million remain). The same n-gram is kept everywhere or nowhere, so what is kept is counted exactly;
only a repeated passage shorter than about n + 3k tokens may be missed. Overlapping occurrences count once, so a line of
a hundred dashes is not a repetition.
"""

from typing import NamedTuple

import numpy as np

from glassformer.data.prepare.duplicates import jaccard, near_duplicates, signatures
from glassformer.data.shards import Dataset, DatasetSplit
from glassformer.lab.check import MOST_PLACES, CheckConfig, Finding, Place, counted, excerpt
from glassformer.lab.check.hashes import blocks, document_of, ngram_hashes, same_ids, values
from glassformer.system.command import typed

MOST_SPANS = 1 << 23
MOST_NEAR = 50_000  # documents that are compared for near repetitions


class Span(NamedTuple):
    """A passage that occurs many times."""

    start: int
    stop: int
    """Its first occurrence is tokens[start:stop] of the split."""
    times: int
    documents: int
    """In how many documents it occurs."""


class Repeats(NamedTuple):
    """The repetitions within one split."""

    groups: list[np.ndarray]
    """Groups of documents with the same ids, by number; the largest group first."""
    near: list[tuple[int, int]]
    """Pairs (document, earlier document that it nearly repeats)."""
    compared: int
    """How many documents were compared for `near`."""
    spans: list[Span]
    """Repeated passages, the most frequent first."""
    kept: int
    """One of this many n-grams was counted."""


def equal_documents(split: DatasetSplit, hashes: np.ndarray) -> list[np.ndarray]:
    """Groups of documents with the same ids, by number, the largest first. `hashes` are those of `document_hashes`."""
    order = np.argsort(hashes, kind="stable")
    cuts = np.flatnonzero(np.diff(hashes[order])) + 1
    groups = [group for group in np.split(order, cuts) if len(group) > 1] if len(cuts) + 1 < len(order) else []
    return sorted(filter(lambda group: len(group) > 1, (_truly_equal(split, group) for group in groups)),
                  key=len, reverse=True)  # fmt: skip


def _truly_equal(split: DatasetSplit, group: np.ndarray) -> np.ndarray:
    """The documents of a group that have the same ids as its first one."""
    first, *others = (split.tokens[int(split.documents[i]) : int(split.documents[i + 1])] for i in group.tolist())
    return group[[True, *(np.array_equal(first, other) for other in others)]]


def spans(data: Dataset, split: DatasetSplit, config: CheckConfig) -> tuple[list[Span], int]:
    """(passages of at least `config.span` tokens that occur at least `config.times` times, k: one of k n-grams was
    counted)."""
    n, value_of = config.span, values(data.index.vocab_size)
    kept = -(-len(split) // MOST_SPANS)
    positions, hashes = [], []
    for start, ids in blocks(split, overlap=n - 1):
        block = ngram_hashes(ids, n, value_of)
        chosen = np.flatnonzero(block % np.uint64(kept) == 0) if kept > 1 else np.arange(len(block))
        places = start + chosen
        inside = document_of(split, places) == document_of(split, places + n - 1)
        positions.append(places[inside])
        hashes.append(block[chosen[inside]])
    positions, hashes = np.concatenate(positions), np.concatenate(hashes)
    order = np.argsort(hashes, kind="stable")
    positions, hashes = positions[order], hashes[order]
    begins = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]])) if len(hashes) else np.zeros(0, int)
    counts = np.diff(begins, append=len(hashes))
    apart = np.diff(positions, prepend=-n) >= n
    apart[begins] = True
    times = np.add.reduceat(apart, begins, dtype=np.int64) if len(begins) else begins
    many = np.flatnonzero(times >= config.times)
    found = _joined(positions[begins[many]], times[many], n, kept)
    worst = sorted(found, key=lambda each: -times[many[each[2]]])[: 4 * MOST_PLACES]
    confirmed = []
    for start, stop, best in worst:
        begin = begins[many[best]]
        confirmed.append(_confirmed(split, start, stop, positions[begin : begin + counts[many[best]]], n))
    return [span for span in confirmed if span.times >= config.times], kept


def _joined(firsts: np.ndarray, times: np.ndarray, n: int, kept: int) -> list[tuple[int, int, int]]:
    """(start, stop, best) of passages: n-grams that first occur side by side are joined; `best` is the most frequent
    one."""
    order = np.argsort(firsts)
    cuts = np.flatnonzero(np.diff(firsts[order]) > (1 if kept == 1 else n)) + 1
    groups = np.split(order, cuts) if len(order) else []
    return [(int(firsts[group[0]]), int(firsts[group[-1]]) + n, int(group[np.argmax(times[group])])) for group in groups]


def _confirmed(split: DatasetSplit, start: int, stop: int, positions: np.ndarray, n: int) -> Span:
    """The passage tokens[start:stop], whose most frequent n-gram has its hash at `positions`. Only those positions
    count that have the same ids as the first one."""
    same = positions[same_ids(split, positions, split, np.full(len(positions), positions[0]), n)]
    times = int((np.diff(same, prepend=-n) >= n).sum())
    return Span(start, stop, times, len(np.unique(document_of(split, same))))


def near_documents(data: Dataset, split: DatasetSplit, equal: list[np.ndarray], config: CheckConfig) -> tuple[list, int]:
    """(pairs (document, the earlier one that it nearly repeats), how many documents were compared). Of many documents,
    an even selection is compared; of `equal` groups, only the first."""
    bounds = split.documents

    def text(i: int) -> str:
        ids = split.tokens[int(bounds[numbers[i]]) + 1 : int(bounds[numbers[i] + 1])]
        return data.tokenizer.decode_bytes(ids.tolist()).decode(errors="replace")

    distinct = np.ones(len(bounds) - 1, bool)
    for group in equal:
        distinct[group[1:]] = False
    numbers = np.flatnonzero(distinct)
    numbers = numbers[np.arange(min(len(numbers), MOST_NEAR)) * len(numbers) // min(len(numbers), MOST_NEAR)]
    rows = np.concatenate([signatures([text(i)]) for i in range(len(numbers))])
    earlier = near_duplicates(rows, config.near, verify=lambda a, b: jaccard(text(a), text(b)))
    return [(int(numbers[i]), int(numbers[earlier[i]])) for i in np.flatnonzero(earlier >= 0)], len(numbers)


def look(data: Dataset, split: DatasetSplit, hashes: np.ndarray, config: CheckConfig) -> Repeats:
    """All repetitions within a split. `hashes` are those of `document_hashes`."""
    groups = equal_documents(split, hashes)
    near, compared = near_documents(data, split, groups, config)
    return Repeats(groups, near, compared, *spans(data, split, config))


def findings(data: Dataset, split: DatasetSplit, repeats: Repeats, config: CheckConfig) -> list[Finding]:
    """What the repetitions mean: a warning if they make 1 % of the documents (or tokens) or more, a note if less."""
    found, bounds = [], split.documents

    def text(document: int) -> str:
        return excerpt(data, split, int(bounds[document]), int(bounds[document + 1]))

    if groups := repeats.groups:
        extra = sum(len(group) - 1 for group in groups)
        places = [Place(f"{split.name} document {group[0]:,} occurs {len(group):,} times", text(group[0]))
                  for group in groups[:MOST_PLACES]]  # fmt: skip
        what = f"{extra:,} of {len(bounds) - 1:,} documents of {split.name} repeat an earlier one exactly"
        remedy = f"Prepare the dataset again from its text: `{typed('prepare')}` drops exact repetitions."
        found.append(_finding(extra / (len(bounds) - 1), what, remedy, places))
    if near := repeats.near:
        places = [Place(f"{split.name} document {later:,} nearly repeats document {earlier:,}", text(later))
                  for later, earlier in near[:MOST_PLACES]]  # fmt: skip
        of = f"{repeats.compared:,} documents of {split.name}" + (
            ", evenly spread," if repeats.compared < len(bounds) - 1 - sum(len(group) - 1 for group in groups) else ""
        )
        what = f"{len(near):,} of {of} nearly repeat an earlier one (similarity {config.near:g} or more)"
        remedy = f"Prepare the dataset again with data.near_duplicates={config.near:g}, which drops them."
        found.append(_finding(len(near) / repeats.compared, what, remedy, places))
    if repeats.spans:
        firsts = document_of(split, np.array([span.start for span in repeats.spans]))
        places = [Place(f"{span.times:,} times in {counted(span.documents, 'document')}, {span.stop - span.start:,} "
                        f"tokens, first in {split.name} document {first:,}", excerpt(data, split, span.start, span.stop))
                  for span, first in zip(repeats.spans[:MOST_PLACES], firsts.tolist())]  # fmt: skip
        tokens = sum((span.times - 1) * config.span for span in repeats.spans)
        more = "at least " * (len(repeats.spans) == 4 * MOST_PLACES)
        many = f"{more}{counted(len(repeats.spans), 'passage')} of {config.span} tokens or more"
        what = f"in {split.name}, {many} occur {config.times} times or more"
        remedy = "If this is boilerplate, add boilerplate_lines to data.clean.steps, or leave some of this text out."
        found.append(_finding(tokens / len(split), what, remedy, places))
    return found


def _finding(share: float, what: str, remedy: str, places: list[Place]) -> Finding:
    return Finding("warning" if share >= 0.01 else "note", "repeats", what, remedy, tuple(places))
