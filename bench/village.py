"""The village's claims: speed, truth, contradictions caught, vocabulary, no repetition, no leak between the splits.

    python bench/village.py [megabytes]        # default 8; 50 reproduces the claim about 50 MB (about half a minute)

There is no peer: no other corpus comes with a simulator that can check it. The last lines are one JSON object a claim.
"""

import re
import sys
import time
from random import Random

import measure

from glassformer.corpora.village import Village, check
from glassformer.corpora.village.contradictions import KINDS, plant_at
from glassformer.corpora.village.copies import Copies
from glassformer.corpora.village.plots import GRAMMAR, PLOTS
from glassformer.corpora.village.score import judged, opened, score
from glassformer.corpora.village.story import tell

CLAIMS: list[tuple[str, float, float]] = []


def claim(what: str, ours: float, target: float) -> None:
    CLAIMS.append((what, ours, target))


def speed(megabytes: float, workers: int) -> tuple[float, float]:
    """Megabytes of text per second, processes started included, and per second of this process's own work."""
    start, work, size = time.perf_counter(), time.process_time(), 0
    for document in Village(megabytes=megabytes, validation_fraction=0.01, workers=workers).documents():
        size += len(document.text)
    return size / 1e6 / (time.perf_counter() - start), size / 1e6 / (time.process_time() - work)


def main() -> None:
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 8
    check(tell(0, "train", 0).text)
    for workers in (1, 2):
        rate, own = speed(megabytes, workers)
        busy = f" ({own:.1f} MB per second of work: less than that is a busy machine)" if workers == 1 else ""
        print(f"{workers} core{'s'[: workers - 1]}: {rate:.1f} MB/s{busy}")
    claim("village: MB/s on two cores", rate, 2)

    seen, words, size, i, combinations = set(), set(), 0, 0, set()
    while size < megabytes * 1e6:
        story = tell(0, "train", i)
        seen.add(hash(story.text))
        words.update(re.findall(r"[a-z]+(?:-[a-z]+)*", story.text.lower().replace("'s", "")))
        combinations |= {(story.hero, story.setting, plot) for plot in story.plots}
        size, i = size + len(story.text), i + 1
    print(f"{i} stories of {size / i:.0f} characters, {i - len(seen)} repeated; {len(words)} words")
    print(f"{len(PLOTS)} plots, {len(GRAMMAR.kinds)} kinds of sentence")
    claim(f"village: repeated stories in {megabytes:g} MB", i - len(seen), 0)
    claim("village: distinct words", len(words), 1500)
    claim("village: plots", len(PLOTS), 20)

    validation = [tell(0, "validation", k) for k in range(1000)]
    leaked = sum((s.hero, s.setting, plot) in combinations for s in validation for plot in s.plots)
    claim("village: validation combinations seen in training", leaked, 0)

    start = time.perf_counter()
    reports = [check(tell(0, "train", k).text) for k in range(2000)] + [check(s.text) for s in validation]
    print(f"checking: {(time.perf_counter() - start) / 3:.2f} ms a story, told and checked")
    right = sum(r.wholly_right for r in reports) / len(reports)
    print(f"{len(reports)} stories, {right:.2%} wholly right by the checker")
    claim("village: share of its stories that pass its checker", right, 1)

    worst = 1.0
    for kind in KINDS:
        planted = [p for k in range(400) if (p := plant_at(tell(0, "train", k), kind, Random(k)))]
        caught = sum(spotted(p) for p in planted) / len(planted)
        print(f"planted: {kind:30} {caught:7.1%} of {len(planted)}")
        worst = min(worst, caught)
    claim(f"village: planted contradictions caught, worst of {len(KINDS)} kinds", worst, 0.95)

    known = Copies(tell(0, "train", k).text for k in range(i))
    fresh = sum(not known.copied(s.text) for s in validation) / len(validation)
    print(
        f"validation stories taken for copies: {1 - fresh:.2%}; highest share of runs seen: "
        f"{max(known.seen(s.text) for s in validation):.0%}"
    )
    claim("village: share of validation stories held original", fresh, 0.99)
    continued = score(judged(opened(1000, first=1000), known))
    print(f"of 1,000 other validation stories {continued.right:.2%} are right by the score")
    claim("village: share of its stories that are right by the score", continued.right, 0.98)
    for what, ours, target in CLAIMS:
        measure.claim(what, ours, None, None, target, digits=4)


def spotted(planted) -> bool:
    """The false sentence itself is contradicted; where a word was changed, anything is."""
    report = check(planted.text)
    if not planted.sentence:
        return not report.wholly_right
    return any(v.contradictions for v in report.sentences if planted.sentence.endswith(v.sentence))


if __name__ == "__main__":
    main()
