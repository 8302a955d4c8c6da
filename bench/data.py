"""`prepare` beside Hugging Face `datasets.map`: the same JSON lines, the same ids, the same two cores, taking turns.

    python bench/data.py                          100 MB, about five minutes on two cores
    python bench/data.py peers --megabytes 10     one part: peers, workers or memory

The text is village stories, the standard library and the installed packages' sources, each once and already clean, as
one file of JSON lines. Both sides start from that file with GPT-2's vocabulary from the folder --gpt2 and end with ids on
disk; ours cleans, looks for repetitions, divides and checksums besides. The peer is `load_dataset("json")` and
`.map(batched=True, num_proc=2)` with the `tokenizers` engine itself, an empty cache each time. Figures are medians over
rounds in MB (millions of UTF-8 bytes) per second. `memory` prepares tiny documents from a generator, in a process of its
own for each size, and extrapolates what a document takes to 10 GB of them. Each claim prints one line of JSON.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import measure
import texts
from rich.console import Console

from glassformer.corpora import Corpus, Document
from glassformer.corpora.files import Files
from glassformer.data import DataConfig
from glassformer.data.clean import Cleaner
from glassformer.data.prepare import prepare
from glassformer.data.shards import Dataset
from glassformer.system.machine import peak_memory
from glassformer.tokenizers import TokenizerRecipe
from glassformer.tokenizers._formats.gpt2 import from_gpt2
from glassformer.tokenizers.bpe import BPETokenizer

TINY = 100  # bytes of a document in `memory`


def write_lines(path: Path, megabytes: float) -> float:
    """The texts as JSON lines; their megabytes."""
    cleaner, size = Cleaner(DataConfig().clean), 0
    with open(path, "w") as file:
        for text in texts.documents(megabytes, village=megabytes / 5):
            if text := cleaner(text):
                file.write(json.dumps({"text": text}) + "\n")
                size += len(text.encode())
    return size / 1e6


def ours(
    lines: Path, tokenizer: BPETokenizer | TokenizerRecipe, folder: Path, workers: int, **settings: Any
) -> Dataset:
    return prepare(Files(path=str(lines)), tokenizer, DataConfig(**settings), folder, fresh=True, workers=workers)


def theirs(lines: Path, engine: Any, folder: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    shutil.rmtree(folder, ignore_errors=True)

    def tokenize(batch: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        return {"ids": [e.ids for e in engine.encode_batch_fast(batch["text"], add_special_tokens=False)]}

    rows = datasets.load_dataset("json", data_files=str(lines), split="train", cache_dir=str(folder))
    return rows.map(tokenize, batched=True, num_proc=2, remove_columns=["text"])


def peers(settings: argparse.Namespace, folder: Path) -> None:
    lines = folder / "lines.jsonl"
    size = write_lines(lines, settings.megabytes)
    tokenizer = from_gpt2(settings.gpt2 / "vocab.json", settings.gpt2 / "merges.txt")
    engine = texts.in_hugging_face(settings.gpt2)
    texts.warm(tokenizer)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the two processes share the two cores
    made = ours(lines, tokenizer, folder / "ours", 2).index
    rows = theirs(lines, engine, folder / "theirs").with_format("arrow")
    n_ids = sum(len(column.flatten()) for column in rows.data.column("ids").chunks)
    assert n_ids == made.train.tokens + made.validation.tokens - made.train.documents - made.validation.documents
    runs = {
        "glassformer": lambda: ours(lines, tokenizer, folder / "ours", 2),
        "datasets.map": lambda: theirs(lines, engine, folder / "theirs"),
    }
    texts.claim(f"prepare MB/s, {size:.0f} MB, two cores", texts.compare(runs, settings.rounds), 2, size)


def workers(settings: argparse.Namespace, folder: Path) -> None:
    """Two workers beside one: where cleaning takes most, where encoding does, and with the fast tokenizer."""
    lines = folder / "lines.jsonl"
    size = write_lines(lines, settings.megabytes)
    gpt2 = from_gpt2(settings.gpt2 / "vocab.json", settings.gpt2 / "merges.txt")
    texts.warm(gpt2)
    word = ours(lines, TokenizerRecipe.named("word"), folder / "word", 2).tokenizer
    kinds = {"bpe": (gpt2, {}), "near duplicates, bpe": (gpt2, {"near_duplicates": 0.8}), "word": (word, {})}
    for name, (tokenizer, knobs) in kinds.items():
        runs = {
            f"{n} workers": lambda n=n, t=tokenizer, knobs=knobs: ours(lines, t, folder / "ours", n, **knobs)
            for n in (2, 1)
        }
        texts.claim(f"prepare MB/s, {name}, two workers beside one", texts.compare(runs, settings.rounds), 1.6, size)


class Tiny(Corpus):
    """Documents of TINY bytes from a generator."""

    megabytes: float

    def documents(self) -> Iterator[Document]:
        for i in range(int(self.megabytes * 1e6) // TINY):
            yield Document(f"{i:>{TINY - 1}}\n", str(i))

    def fingerprint(self) -> str:
        return str(self.megabytes)


def memory(settings: argparse.Namespace, folder: Path) -> None:
    """Peak resident memory of the process that prepares, at two sizes."""
    sizes, peaks = [settings.megabytes * times for times in (3, 6)], []  # both beyond what is looked at at once
    for size in sizes:
        command = [sys.executable, __file__, "tiny", "--megabytes", str(size), "--folder", str(folder / "tiny")]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    each = (peaks[1] - peaks[0]) / ((sizes[1] - sizes[0]) * 1e6 / TINY)
    at_most = peaks[1] + max(0.0, each) * (1e10 - sizes[1] * 1e6) / TINY
    what = f"peak MB of memory, 10 GB in documents of {TINY} bytes, from {each:.1f} bytes a document"
    measure.claim(what, at_most / 1e6, 1000, "the limit", 1, digits=None)
    measured = ", ".join(f"{peak / 1e6:.0f} at {size:.0f} MB" for size, peak in zip(sizes, peaks))
    texts.TABLE.add_row(what, f"{at_most / 1e6:.0f}", measured, f"{1e9 / at_most:.2f}", "1")


def tiny(settings: argparse.Namespace, folder: Path) -> None:
    """In a process of its own: print the peak in bytes."""
    prepare(Tiny(megabytes=settings.megabytes), TokenizerRecipe.named("byte"), DataConfig(), folder, workers=1)
    print(peak_memory())


PARTS = {"peers": peers, "workers": workers, "memory": memory}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all when none is named")
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpt2", type=Path, default=texts.SHARED / "gpt2")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.parts == ["tiny"]:
        return tiny(settings, settings.folder)
    for name in settings.parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[name](settings, Path(folder))
    Console(width=120).print(texts.TABLE)


if __name__ == "__main__":
    main()
