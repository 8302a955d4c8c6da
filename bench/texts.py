"""What the measurements of tokenizers and of `prepare` share: texts, Hugging Face's engine, and claims about MB/s.

Not a measurement itself. The texts are tinyshakespeare where present, the standard library, the installed packages'
sources, village stories, and generated text of every Unicode block; no document is there twice.
"""

import hashlib
import random
import sysconfig
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import measure
from rich.table import Table

from glassformer.corpora.village import Village
from glassformer.tokenizers.bpe import BPETokenizer

SHARED = Path(__file__).parents[2] / "shared" / "data"
TABLE = Table("what", "glassformer", "peers", "ratio", "target")


def documents(megabytes: float, *, village: float = 0, unicode: float = 0) -> list[str]:
    """Different texts, about that much in all: some MB of village and of Unicode, the rest books and code."""
    texts = [document.text for document in Village(megabytes=village, workers=1).documents()] if village else []
    texts += list(unicode_mix(unicode))
    left, seen = megabytes * 1e6 - sum(len(text.encode()) for text in texts), set()
    for path in sources():
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        digest = hashlib.sha256(text.encode()).digest()
        if left > 0 and text and digest not in seen:
            seen.add(digest)
            texts.append(text)
            left -= len(text.encode())
    random.Random(0).shuffle(texts)
    return texts


def sources() -> Iterator[Path]:
    yield SHARED / "tinyshakespeare.txt"
    for name in ("stdlib", "purelib"):
        yield from sorted(Path(sysconfig.get_path(name)).rglob("*.py"))


def unicode_mix(megabytes: float) -> Iterator[str]:
    """Runs of letters of one block, signs, numbers, spaces and line breaks: 20 kB a document."""
    rng = random.Random(1)
    known = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cs", "Cn", "Co")]
    left = megabytes * 1e6
    while left > 0:
        parts = []
        for _ in range(2000):
            at = rng.randrange(len(known))
            parts.append("".join(rng.choices(known[at : at + 64], k=rng.randint(1, 6))))
            parts.append(rng.choice([" ", " ", " ", "  ", "\n", "\r\n", "'s ", ", ", ". ", " 42", "\t", "\n\n    "]))
        yield (text := "".join(parts))
        left -= len(text.encode())


def in_hugging_face(folder: Path) -> Any:
    """The `tokenizers` engine with GPT-2's vocabulary."""
    import tokenizers as hf

    engine = hf.Tokenizer(hf.models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    engine.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = hf.decoders.ByteLevel()
    return engine


def warm(ours: BPETokenizer) -> None:
    """Load the kernels, which otherwise happens somewhere in the first megabytes."""
    text = "Good morning, goat! " * 1_000_000
    ours.decode_bytes(ours.encode(text))


def compare(runs: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taking turns; millions of tokens are not left for the next one to collect."""
    return measure.taking_turns(runs, rounds, collect=True)


def claim(what: str, seconds: dict[str, float], target: float, megabytes: float = 0) -> None:
    """One line of JSON, and one of the table. The first of `seconds` is ours; in MB/s if `megabytes` is given."""
    ours, *others = seconds
    peer = min(others, key=seconds.__getitem__)
    shown = {name: round(megabytes / s if megabytes else s, 3) for name, s in seconds.items()}
    ratio = round(seconds[peer] / seconds[ours], 2)
    measure.claim(what, shown[ours], shown[peer], peer, target, ratio=ratio)
    TABLE.add_row(what, str(shown[ours]), ", ".join(f"{n} {shown[n]}" for n in others), str(ratio), str(target))
