"""From what a person writes to a tokenizer, and to a text.

A tokenizer is named by a file (in any format of `tokenizers/_formats`), a run, a checkpoint or a dataset, or else by a
kind (`bpe`) or a recipe (`mini`). Those two are trained at once on a megabyte of text, the village's or the recipe's.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from glassformer.config import suggestion, variants
from glassformer.corpora import Corpus
from glassformer.errors import GlassError, TokenizerError
from glassformer.lens.tokens import Named
from glassformer.tokenizers import TokenizerRecipe, _formats, load, well_formed

SAMPLE = 1_000_000
"""Characters that a kind or a recipe is trained on here."""
LARGEST_TEXT = 32 << 20  # bytes
ENDINGS = set(".txt .md .json .jsonl .csv .tsv .html .htm .py .parquet .gz .zst .zip .log".split())
"""How the names of files of text end."""


def tokenizer(name: str | None, pattern: str | None = None) -> Named:
    """The tokenizer called `name`; without a name the newest run's, else bytes. Raises GlassError.

    `pattern` is how text is cut, for a tiktoken file that does not tell.
    """
    if name is None:
        runs = sorted(Path("runs").glob("*/checkpoints/*/tokenizer.json"), key=lambda path: path.stat().st_mtime)
        return _saved(str(runs[-1].parents[2]), runs[-1], "the newest run") if runs else _trained("byte")
    path = Path(name).expanduser()
    if (path / "checkpoints").is_dir():
        found = sorted((path / "checkpoints").glob("*/tokenizer.json"))
        if not found:
            raise TokenizerError(f"{path} has no checkpoint yet: wait for its first, or name another run")
        return _saved(name, found[-1], f"checkpoint {found[-1].parent.name}")
    if (path / "manifest.json").is_file():
        return _saved(name, path / "tokenizer.json", "a checkpoint")
    if _exists(path):
        return Named(name, _formats.read(path, pattern), f"from {path}")
    return _trained(name)


def _saved(label: str, path: Path, origin: str) -> Named:
    return Named(label, load(path), origin, path.parent)


def _trained(name: str) -> Named:
    """A kind on the village, or a recipe's tokenizer on the recipe's text."""
    if name == "byte":
        return Named(name, TokenizerRecipe.named("byte").train([]), "a kind that needs no training")
    if name in variants(TokenizerRecipe):
        recipe, corpus = TokenizerRecipe.named(name), Corpus.named("village")
    else:
        from glassformer.recipes.presets import named, presets

        if name not in presets():
            known = [*variants(TokenizerRecipe), *presets()]
            raise TokenizerError(
                f"there is no file, run, kind or recipe called '{name:.200}'; {suggestion(name, known)}"
            )
        recipe, corpus = named(name).tokenizer, named(name).corpus
    texts = sample(document.text for document in shrunk(corpus).documents())
    return Named(name, recipe.train(texts), f"trained just now on {SAMPLE / 1e6:.0f} MB of {Path(corpus.name).stem}")


def shrunk(corpus: Corpus, most: int = SAMPLE) -> Corpus:
    """The same corpus, told to make no more than `most` characters if it makes its text itself."""
    if "megabytes" not in type(corpus).model_fields:
        return corpus
    return corpus.override(f"megabytes={most / 1e6}", *["workers=1"] * ("workers" in type(corpus).model_fields))


def sample(texts: Iterable[str], most: int = SAMPLE) -> Iterator[str]:
    """The first `most` characters of some texts."""
    for text in texts:
        yield text[:most]
        most -= len(text)
        if most <= 0:
            return


def text(source: str) -> str:
    """The text that an argument means: standard input for `-`, a file's content for its path, or itself."""
    path = Path(source)
    if source != "-" and not (_exists(path) and path.is_file()):
        if is_path(source):
            there = "does not exist: check the path"
            if _exists(path):
                there = f"is a folder: name one of its files, add --report {source} to count the tokens of all of them"
            raise GlassError(
                f"{source} {there}, or, if these are the words to tokenize, give them on standard input (-)"
            )
        return well_formed(source)
    try:
        if source == "-":
            data = sys.stdin.buffer.read(LARGEST_TEXT + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(LARGEST_TEXT + 1)
        if len(data) > LARGEST_TEXT:
            raise GlassError(f"{source} is larger than {LARGEST_TEXT >> 20} MB: give a part of it, or use --report")
        return data.decode()
    except OSError as error:
        raise GlassError(f"{source} cannot be read ({error.strerror or error}): check the path") from None
    except UnicodeDecodeError as error:
        raise GlassError(f"{source} is not UTF-8 text (byte {error.start}): save it as UTF-8, then try again") from None


def is_path(text: str) -> bool:
    """Whether someone who wrote this meant a file or folder, and not the words.

    A single word that ends as a file of text does ("missing.txt"), and one that begins as a path does ("./notes", "~/x"). A
    slash alone may join two words ("either/or"): it makes a path only if its folder is there, also one with spaces.
    """
    if "\n" in text or not text.strip():
        return False
    path, single = Path(text).expanduser(), not any(map(str.isspace, text))
    if single and (path.suffix.lower() in ENDINGS or text.startswith(("./", "../", "~/"))):
        return True
    separated = any(sign in text for sign in "/\\" if sign in (os.sep, os.altsep))
    parent = path if text.endswith(("/", os.sep)) else path.parent
    return separated and text.strip() not in ("/", "\\") and _exists(parent) and parent.is_dir()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False
