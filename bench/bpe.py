"""BPE beside tiktoken, Hugging Face tokenizers and rustbpe: the same texts, one process, taking turns.

    python bench/bpe.py                    about five minutes on two cores
    python bench/bpe.py encode --rounds 5  one part: encode, decode, train, long or start

Encoding uses GPT-2's vocabulary from the folder --gpt2 (`vocab.json`, `merges.txt`; default
../shared/data/gpt2). Texts: tinyshakespeare where present, the standard library, the installed
packages' sources and, for training, village stories; for encoding also generated text of every Unicode block. No
document is there twice. Figures are medians over rounds in MB (millions of UTF-8 bytes) per second; each claim prints
one line of JSON. Beside other work the peers and we lose alike, but two threads do not scale.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import rustbpe
import tiktoken
import tokenizers as hf
from rich.console import Console
from texts import SHARED, TABLE, claim, compare, documents, in_hugging_face, warm

from glassformer.tokenizers._formats.gpt2 import from_gpt2
from glassformer.tokenizers.bpe import BPE, BPETokenizer
from glassformer.tokenizers.bpe.patterns import PATTERNS

TIKTOKEN_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


def in_tiktoken(ours: BPETokenizer) -> tiktoken.Encoding:
    ranks = {piece: id for id, piece in enumerate(ours.token_bytes) if piece}
    return tiktoken.Encoding("gpt2", pat_str=TIKTOKEN_GPT2, mergeable_ranks=ranks, special_tokens=ours.special)


def encode(folder: Path, rounds: int) -> None:
    ours, texts = from_gpt2(folder / "vocab.json", folder / "merges.txt"), documents(24, unicode=3)
    openai, face, size = in_tiktoken(ours), in_hugging_face(folder), sum(len(text.encode()) for text in texts) / 1e6
    warm(ours)
    arrays = [array.tolist() for array in ours.encode_array(texts)]
    assert arrays == [openai.encode_ordinary(text) for text in texts], "tiktoken has other ids"
    assert arrays == [e.ids for e in face.encode_batch_fast(texts, add_special_tokens=False)], "Hugging Face has other ids"
    del arrays
    TABLE.add_section()

    def with_threads(n: int) -> list:
        ours.threads = n
        return list(ours.encode_array(texts))

    peers = {
        "tiktoken": lambda: [openai.encode_ordinary(text) for text in texts],
        "HF tokenizers": lambda: [e.ids for e in face.encode_batch_fast(texts, add_special_tokens=False)],
    }
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    ours.threads = 1
    arrays_lists = {"glassformer": lambda: with_threads(1), "lists": lambda: [ours.encode(text) for text in texts]}
    seconds = compare(arrays_lists | peers, rounds)
    theirs = {name: seconds[name] for name in peers}
    claim("encode MB/s, GPT-2, one thread, numpy", {"glassformer": seconds["glassformer"], **theirs}, 4, size)
    claim("encode MB/s, GPT-2, one thread, lists", {"glassformer": seconds["lists"], **theirs}, 2, size)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    both = compare({"two": lambda: with_threads(2), "one": lambda: with_threads(1)}, rounds)
    claim("encode MB/s, two threads beside one", both, 1.6, size)
    peers["tiktoken"] = lambda: openai.encode_ordinary_batch(texts, num_threads=2)
    claim("encode MB/s, GPT-2, two threads", {"glassformer": both["two"], **compare(peers, rounds)}, 4, size)


def decode(folder: Path, rounds: int) -> None:
    ours = from_gpt2(folder / "vocab.json", folder / "merges.txt")
    openai, face = in_tiktoken(ours), in_hugging_face(folder)
    warm(ours)
    text = "".join(documents(20, unicode=2))
    ids, size = ours.encode(text), len(text.encode()) / 1e6
    assert ours.decode(ids) == openai.decode(ids) == text
    array = ours._encode(text)
    TABLE.add_section()
    runs = {
        "glassformer": lambda: ours.decode(ids),
        "from numpy": lambda: ours.decode(array),
        "tiktoken": lambda: openai.decode(ids),
        "HF tokenizers": lambda: face.decode(ids, skip_special_tokens=False),
    }
    seconds = compare(runs, rounds)
    theirs = {name: seconds[name] for name in ("tiktoken", "HF tokenizers")}
    claim("decode MB/s, a list", {"glassformer": seconds["glassformer"], **theirs}, 1, size)
    claim("decode MB/s, an array", {"glassformer": seconds["from numpy"], **theirs}, 1, size)


def train(folder: Path, rounds: int) -> None:
    texts, n = documents(100, village=8), 8192
    size = sum(len(text.encode()) for text in texts) / 1e6

    def face() -> None:
        engine = hf.Tokenizer(hf.models.BPE())
        engine.pre_tokenizer = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = hf.pre_tokenizers.ByteLevel.alphabet()
        engine.train_from_iterator(
            texts, hf.trainers.BpeTrainer(vocab_size=n, initial_alphabet=alphabet, show_progress=False)
        )

    BPE(vocab_size=300, pattern="gpt2").train(["Good morning, goat! " * 1_000_000])  # loads the kernels
    TABLE.add_section()
    runs = {
        "glassformer": lambda: BPE(vocab_size=n, pattern="gpt2").train(texts),
        "HF tokenizers": face,
        "rustbpe": lambda: rustbpe.Tokenizer().train_from_iterator(iter(texts), n, pattern=PATTERNS["gpt2"]),
    }
    claim(f"train {n:,} on {size:.0f} MB, seconds", compare(runs, rounds), 2.5)


def long(folder: Path, rounds: int) -> None:
    ours = from_gpt2(folder / "vocab.json", folder / "merges.txt")
    warm(ours)
    TABLE.add_section()
    for what, text in (("'a' x 10 MB", "a" * 10_000_000), ("spaces x 10 MB", " " * 10_000_000)):
        seconds = compare({"glassformer": lambda text=text: ours._encode(text)}, rounds)
        claim(f"encode {what}, seconds, beside 2 s a MB", {**seconds, "the limit": 20.0}, 1)


def start(folder: Path, rounds: int) -> None:
    """A fresh process that encodes 50 kB, and one that encodes 8 MB, the kernels being on disk or not."""
    program = (
        "import sys\nfrom glassformer.tokenizers._formats.gpt2 import from_gpt2\n"
        f"t = from_gpt2({str(folder / 'vocab.json')!r}, {str(folder / 'merges.txt')!r})\n"
        "t.encode('The goat said: good morning, world! ' * int(sys.argv[1]))"
    )

    def run(n: int, cache: str) -> None:
        there = {**os.environ, "XDG_CACHE_HOME": cache, "PYTHONPATH": str(Path(__file__).parents[1])}
        subprocess.run([sys.executable, "-c", program, str(n)], check=True, env=there)

    TABLE.add_section()
    with tempfile.TemporaryDirectory() as cache:
        times = {"nothing": 0, "50 kB": 1400, "8 MB": 240_000}
        runs = {name: lambda n=n: run(n, cache) for name, n in times.items()}
        first, warmed = compare(runs, 1), compare(runs, rounds)
    for name in ("50 kB", "8 MB"):
        TABLE.add_row(
            f"a fresh process encodes {name}, seconds", f"{warmed[name]:.2f}",
            f"very first {first[name]:.2f}, only loading the vocabulary {warmed['nothing']:.2f}", "", "",
        )  # fmt: skip


PARTS = {"encode": encode, "decode": decode, "train": train, "long": long, "start": start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpt2", type=Path, default=SHARED / "gpt2")
    settings = parser.parse_args()
    for name in settings.parts or PARTS:
        PARTS[name](settings.gpt2, settings.rounds)
    Console(width=120).print(TABLE)


if __name__ == "__main__":
    main()
