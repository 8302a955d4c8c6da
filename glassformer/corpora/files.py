"""A file of the user's, or a folder of them: plain text of any kind (txt, md, py, ...) and JSON lines (jsonl, ndjson).

One rule for bad input: what the user named is refused with an error; what merely lies in a named folder is skipped, and
a `Skipped` takes its place in the stream, so that counts always add up. A folder is read to the bottom in the order of
its names, links followed once. A text file is one document up to 8 MB (a book, tinyshakespeare); a longer one is cut at
blank lines into documents of at most that size, so that memory stays small. A line of JSON lines is one document.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from glassformer.corpora import Corpus, Document, Skipped
from glassformer.errors import CorpusError

PIECE_BYTES = 8_000_000
"""The longest document cut from a text file, and the longest line of JSON lines."""


class Files(Corpus):
    """The text files at a path."""

    path: str
    """A file, or a folder that is read to the bottom (names that begin with a dot are skipped)."""
    text_field: str = "text"
    """The field of a JSON line that holds the text; without it, an object's only text field is taken."""

    def documents(self) -> Iterator[Document]:
        """Documents with origins relative to the folder, as `notes/a.txt`, `big.txt:90210`, `talk.jsonl:12`."""
        root = Path(self.path).expanduser()
        if not root.is_dir():
            yield from self._named_file(root)
            return
        found, example = False, ""
        for entry in _walk(root):
            for document in self._file_in_folder(entry):
                if isinstance(document, Skipped):
                    example = example or f" (for example, {document.origin} {document.reason})"
                else:
                    found = True
                yield document
        if not found:
            raise CorpusError(
                f"{root} holds no text that can be read{example}; put .txt, .md, .py or .jsonl files there"
            )

    @property
    def sources(self) -> tuple[str, ...]:
        return (f"files:{Path(self.path).expanduser().resolve().name}",)

    def fingerprint(self) -> str:
        root = Path(self.path).expanduser()
        digest = hashlib.sha256(f"files 1 {self.text_field}".encode())
        for entry in _walk(root) if root.is_dir() else [_Entry(root.name, root, "")]:
            try:
                status = os.stat(entry.path)
                facts = f"{status.st_size} {status.st_mtime_ns}"
            except OSError as error:
                if entry.path == root:
                    raise _refusal(root, error) from None
                facts = "unreadable"
            digest.update(os.fsencode(entry.name) + f"\0{facts}\n".encode())
        return digest.hexdigest()

    def _named_file(self, path: Path) -> Iterator[Document]:
        found = False
        try:
            for document in self._read(path, path.name):
                if isinstance(document, Skipped):
                    raise CorpusError(f"{path.parent / str(document)}")
                found = True
                yield document
        except OSError as error:
            raise _refusal(path, error) from None
        if not found:
            raise CorpusError(f"{path} is empty; give a file with some text in it")

    def _file_in_folder(self, entry: "_Entry") -> Iterator[Document]:
        if entry.problem:
            yield Skipped.because(_printable(entry.name), entry.problem)
            return
        found = False
        try:
            for document in self._read(entry.path, _printable(entry.name)):
                found = True
                yield document
        except OSError as error:
            yield Skipped.because(_printable(entry.name), "cannot be read", f" ({error.strerror or error})")
            return
        if not found:
            yield Skipped.because(_printable(entry.name), "is empty")

    def _read(self, path: Path, origin: str) -> Iterator[Document]:
        """The documents of one file; `Skipped` where it is not text. Raises OSError."""
        if not stat.S_ISREG(os.stat(path).st_mode):
            yield Skipped.because(origin, "is not a regular file", "; give a file or a folder")
        elif path.suffix.lower() in (".jsonl", ".ndjson"):
            yield from self._json_lines(path, origin)
        else:
            yield from _plain_text(path, origin)

    def _json_lines(self, path: Path, origin: str) -> Iterator[Document]:
        with open(path, "rb") as file:
            number = 0
            while line := file.readline(PIECE_BYTES):
                number += 1
                if len(line) == PIECE_BYTES and not line.endswith(b"\n"):
                    yield Skipped.because(
                        f"{origin}:{number}", "is too long a line", f" (over {PIECE_BYTES:,} bytes); split it"
                    )
                    while (rest := file.readline(PIECE_BYTES)) and not rest.endswith(b"\n"):
                        pass
                elif line.strip():
                    yield self._json_line(line.removeprefix(b"\xef\xbb\xbf"), f"{origin}:{number}")

    def _json_line(self, line: bytes, origin: str) -> Document:
        try:
            value = json.loads(line.decode())
        except UnicodeDecodeError:
            return Skipped.because(origin, "is not UTF-8", f"; {_CONVERT}")
        except (ValueError, RecursionError) as error:
            detail = error.msg if isinstance(error, json.JSONDecodeError) else error
            return Skipped.because(origin, "is not valid JSON", f" ({detail}); repair or delete the line")
        text = self._text_of(value)
        if text is None:
            there = ", ".join(map(ascii, value)) if isinstance(value, dict) else f"a {type(value).__name__}"
            detail = (
                f" '{self.text_field}' and no other field alone holds text (there is: {there[:200]}); set text_field"
            )
            return Skipped.because(origin, "has no field", detail + " to the one that does")
        return Document(text, origin) if text.strip() else Skipped.because(origin, "is empty", "; delete the line")

    def _text_of(self, value: Any) -> str | None:
        if isinstance(value, str):
            return value
        fields = value if isinstance(value, dict) else {}
        if isinstance(fields.get(self.text_field), str):
            return fields[self.text_field]
        texts = [text for text in fields.values() if isinstance(text, str)]
        return texts[0] if len(texts) == 1 else None


_CONVERT = "save it as UTF-8 (from Latin-1, say: iconv -f latin1 -t utf-8 OLD > NEW)"


def _plain_text(path: Path, origin: str) -> Iterator[Document]:
    """One file as documents of at most PIECE_BYTES that join to its text, less a byte order mark and blank pieces."""
    with open(path, "rb") as file:
        data, offset, line = file.read(PIECE_BYTES + 1), 0, 1
        if reason := _not_text(data):
            yield Skipped.because(origin, reason, f"; give a text file (txt, md, py, jsonl) and {_CONVERT}")
            return
        if data.startswith(b"\xef\xbb\xbf"):
            data, offset = data[3:], 3
        while data:
            size = _paragraphs(data) if len(data) > PIECE_BYTES else len(data)
            try:
                text = data[:size].decode()
            except UnicodeDecodeError as error:
                bad_line = line + data.count(b"\n", 0, error.start)
                detail = f" (line {bad_line}, byte {offset + error.start} of the file); {_CONVERT}"
                yield Skipped.because(origin, "is not UTF-8", detail)
                return
            if text.strip():
                yield Document(text, origin if line == 1 else f"{origin}:{line}")
            offset, line = offset + size, line + text.count("\n")
            data = data[size:] + file.read(PIECE_BYTES + 1 - len(data) + size)


def _paragraphs(data: bytes) -> int:
    """How many of the first PIECE_BYTES bytes end at a blank line; else at a line; else at a character."""
    for end in (b"\n\n", b"\n\r\n", b"\n", b" "):
        cut = data.rfind(end, PIECE_BYTES // 2, PIECE_BYTES)
        if cut >= 0:
            return cut + len(end)
    cut = PIECE_BYTES
    while cut > PIECE_BYTES - 4 and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


def _not_text(data: bytes) -> str:
    """Why these first bytes of a file are not text, or nothing. Text has no NUL and few control characters."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "is UTF-16, not UTF-8"
    head = data[:65536]
    control = len(head) - len(head.translate(None, bytes([*range(0, 8), *range(14, 32)])))
    if b"\0" in head or control > len(head) // 50:
        return "is binary, not text"
    return ""


class _Entry(NamedTuple):
    """Something met in a folder: its name relative to the folder, and why it cannot be read, if so."""

    name: str
    path: Path
    problem: str


def _walk(root: Path) -> Iterator[_Entry]:
    """Every file below `root`, sorted by name level by level; folders that cannot be entered appear with a problem."""
    visited = set()
    stack = [_Entry("", root, "")]
    while stack:
        entry = stack.pop()
        try:
            if not entry.path.is_dir():
                yield entry
                continue
            status = os.stat(entry.path)
            if (status.st_dev, status.st_ino) in visited:
                yield entry._replace(problem="is a folder read already under another name")
                continue
            visited.add((status.st_dev, status.st_ino))
            names = sorted(os.listdir(entry.path), reverse=True)
        except OSError as error:
            yield entry._replace(problem=f"cannot be entered ({error.strerror or error})")
            continue
        prefix = f"{entry.name}/" if entry.name else ""
        for name in names:
            if name.startswith("."):
                yield _Entry(prefix + name, entry.path / name, "is hidden")
            else:
                stack.append(_Entry(prefix + name, entry.path / name, ""))


def _refusal(path: Path, error: OSError) -> CorpusError:
    if isinstance(error, FileNotFoundError):
        return CorpusError(f"there is no file or folder {path}; check the path")
    return CorpusError(f"{path} cannot be read ({error.strerror or error}); check the path and its permissions")


def _printable(name: str) -> str:
    """A name that is valid UTF-8 whatever bytes the file system holds."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
