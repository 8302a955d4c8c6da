"""Bytes of any encoding as UTF-8. The encoding is found by byte order marks, by validity as UTF-8, by a declaration in
the file, and only then by a guess.

A guess (by charset-normalizer, on the lines that are not ASCII) may be wrong, so each document that rests on one has a
note. Invalid bytes in a file that is otherwise UTF-8 are damage, not another encoding: they are passed on, and the
reader of the format reports the line that holds them and keeps the other lines. Bytes that are invalid in another
encoding become 0xFF, which UTF-8 never contains, and so are reported in the same way.
"""

import codecs
import re
from collections.abc import Iterator
from io import BufferedReader
from itertools import chain
from typing import BinaryIO, NamedTuple

from charset_normalizer import from_bytes

from glassformer.corpora._formats.alphabets import ALPHABETS, latin
from glassformer.corpora._formats.stream import Unreadable, first_items, stream

HEAD = 1 << 23
"""How many bytes at the start of a file decide its encoding."""
MARKS = {
    codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
GUESSES = (
    "cp1252", "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874",
    "cp932", "euc_jp", "gb18030", "big5", "cp949",
)  # fmt: skip
WINDOWS = {"iso8859-1": "cp1252", "iso8859-9": "cp1254", "ascii": "cp1252"}
"""How browsers read these declarations. They differ in bytes that are control characters in the declared encoding."""
REPAIR = "; repair it, or set corpus.encoding to the one it is in"

_DECLARED = re.compile(rb"(?:charset|coding|encoding)\s{0,3}[=:]\s{0,3}[\"']?([-\w.]{3,30})")
_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_DAMAGE = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{1,2}|[\x80-\xff]")  # a character cut short counts once
_C1 = re.compile(rb"[\x80-\x9f]")
_HIGH = bytes(range(128, 256))
_CONTROL = bytes([*range(0, 8), *range(14, 27)])  # without escape, and without the separators of files and records


class Utf8(NamedTuple):
    """A file that reads as UTF-8 without a byte order mark, and what it was."""

    file: BufferedReader
    encoding: str

    @property
    def note(self) -> str:
        """What the report should say of documents from here; nothing for UTF-8."""
        return self.told()

    def told(self, *choices: str) -> str:
        """The note with other choices of the reader: `was read as cp1252, from the field 'body'`."""
        told = [f"as {self.encoding}"] * (self.encoding != "utf-8") + list(choices)
        return f"was read {', '.join(told)}" if told else ""

    @property
    def invalid(self) -> tuple[str, str]:
        """Reason and detail for bytes that do not decode."""
        return f"is not valid {self.encoding.upper()}", REPAIR


def utf8(file: BinaryIO, wanted: str) -> Utf8:
    """`file` as UTF-8. `wanted` is the name of a codec, or "auto". Raises Unreadable if it is not text."""
    chunks, rest = first_items(iter(lambda: file.read(1 << 16), b""), HEAD)
    head = b"".join(chunks)
    encoding = detect(head) if wanted == "auto" else codecs.lookup(wanted).name
    if encoding in ("utf-8", "utf-8-sig"):
        _refuse_binary(head)
        return Utf8(stream(chain([head.removeprefix(codecs.BOM_UTF8)], rest)), "utf-8")
    if encoding in ("utf-16", "utf-32") and not head.startswith(tuple(MARKS)):
        encoding += "-le"  # as Windows writes it
    converted = _convert(chain([head], rest), encoding)
    first = next(converted, b"")
    _refuse_binary(first)
    return Utf8(stream(chain([first], converted)), encoding)


def detect(head: bytes) -> str:
    """The encoding of a file that begins with `head`. Raises Unreadable if it is not text."""
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" in head[: 1 << 16]:
        return _unmarked_utf16(head[: 1 << 16])
    if _decodes(head, "utf-8"):
        return "utf-8"
    n_good = len(_CHARACTER.findall(head))
    bad = _DAMAGE.findall(_CHARACTER.sub(b" ", head))
    if n_good >= len(bad) or {b"\xfe", b"\xff"}.issuperset(bad):  # no language is written with these two alone
        return "utf-8"
    declared = _DECLARED.search(head[:1024])
    if declared and (name := text_codec(declared[1].decode("latin-1"))):
        name = WINDOWS.get(name, name) if _C1.search(head) else name
        if _decodes(head, name):
            return name
    return _guess(head)


def _guess(head: bytes) -> str:
    lines, size = [], 0
    for line in head.splitlines():
        if line.translate(None, _HIGH) != line:
            lines.append(line[:4096])
            size += len(lines[-1])
            if size > 1 << 16:
                break
    sample = b"\n".join(lines)
    match = from_bytes(sample, cp_isolation=list(GUESSES), threshold=0.3).best()
    encoding = match.encoding if match else ""
    mostly_ascii = len(sample.translate(None, _HIGH)) > 3 * len(sample) // 4  # as no other script is
    if encoding in ("", *ALPHABETS) or mostly_ascii:
        encoding = latin(sample) or encoding
    if not encoding:
        raise Unreadable("is in no encoding that could be recognised", "; set corpus.encoding to the one it is in")
    return encoding


def _unmarked_utf16(head: bytes) -> str:
    """Which UTF-16 a file without a byte order mark is: in Western text every other byte is zero. Raises Unreadable."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    for encoding, many, few in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if many > len(head) // 5 and few <= len(head) // 100 and _decodes(head, encoding):
            return encoding
    raise _binary()


def _refuse_binary(data: bytes) -> None:
    """Raises Unreadable for data with NUL bytes or many control characters, which text does not have."""
    head = data[: 1 << 16]
    n_control = len(head) - len(head.translate(None, _CONTROL))
    if b"\0" in head or n_control > len(head) // 50:
        raise _binary()


def _binary() -> Unreadable:
    return Unreadable("is binary, not text", "; give text (txt, md, html, py, json, jsonl, csv, parquet, gz, zst, zip)")


def _decodes(head: bytes, encoding: str) -> bool:
    """Whether these first bytes are valid in the encoding; the last character may be cut."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError:
        return False
    return True


def text_codec(name: str) -> str:
    """The official name of a codec; "" if there is no codec of this name that turns bytes into text."""
    try:
        "a".encode(name)
        codecs.getincrementaldecoder(name)
        return codecs.lookup(name).name
    except (LookupError, UnicodeError, ValueError):
        return ""


def _convert(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("glassformer.invalid")
    first = True
    for chunk in chain(chunks, [b""]):
        text = decoder.decode(chunk, final=not chunk)
        if text and first:
            text, first = text.removeprefix("\ufeff"), False
        if text:
            yield text.encode("utf-8", "glassformer.invalid")


def _mark(error: UnicodeError) -> tuple[str | bytes, int]:
    """Error handler: bytes that cannot be decoded become a lone surrogate, and that is encoded as 0xFF."""
    assert isinstance(error, UnicodeDecodeError | UnicodeEncodeError)
    return (b"\xff" if isinstance(error, UnicodeEncodeError) else "\udcff"), error.end


codecs.register_error("glassformer.invalid", _mark)
