r"""A regular expression as a table that finds where a piece ends: read one character, look up one cell, go on.

`regex` tries alternatives one after another. An automaton follows all of them at once (Thompson 1968). What happens next
depends only on the *list* of places in the expression (`expression.py`) that are still alive, in order of preference, so
every such list becomes one numbered state (Rabin and Scott 1959; keeping the order, as Pike's engine and RE2 do, lets the
first alternative win over the longest). Characters that no part of the expression tells apart share a class. Which
characters a part such as `\p{L}` accepts is asked of the `regex` module itself, for every code point, so the two agree.

>>> gpt2 = automaton(r"'s| ?\p{L}+| ?\p{N}+|\s+(?!\S)|\s+| ?[^\s\p{L}\p{N}]+")
>>> gpt2.n_classes, gpt2.longest("  cats 's", 0), gpt2.longest("  cats 's", 1)
(7, 1, 6)
"""

import functools
import hashlib
import io
import zipfile
from typing import NamedTuple

import numpy as np
import regex

from glassformer.errors import GlassError
from glassformer.system import cache_folder
from glassformer.system.files import write_atomic
from glassformer.tokenizers.bpe.expression import Parser, Unsupported

N_CODE_POINTS = 0x110000
MOST_STATES, MOST_CLASSES = 2000, 250
FORMAT = 1


class Automaton(NamedTuple):
    """`cells[state + class_of[code point]]` is `next state << 1 | whether a piece may end before this character`.

    States are offsets into `cells`: 0 is dead, `row` (the length of a state's row) is the start. The last class, number
    `n_classes`, is the end of the text.
    """

    class_of: np.ndarray  # (0x110000,) uint8
    cells: np.ndarray  # (states * row,) int32
    n_classes: int

    @property
    def row(self) -> int:
        return self.n_classes + 1

    def longest(self, text: str, start: int) -> int:
        """Where the piece that begins at `start` ends, in characters. The plain twin of `compiled/scan.py`."""
        state = self.row
        end = i = start
        while state:
            kind = int(self.class_of[ord(text[i])]) if i < len(text) else self.n_classes
            cell = int(self.cells[state + kind])
            if cell & 1:
                end = i
            state, i = cell >> 1, i + 1
        return end

    def ends_lines(self) -> bool:
        """Whether a piece always ends between a line break and an ASCII letter, whatever it began with.

        True if no state that a line break leads to survives a letter: then no piece holds both.
        """
        cells = self.cells.reshape(-1, self.row)
        after_break = cells[:, self.class_of[ord("\n")]] >> 1
        letters = self.class_of[[*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)]]
        return bool((cells[after_break[after_break > 0] // self.row][:, letters] >> 1 == 0).all())


@functools.lru_cache(maxsize=16)
def automaton(expression: str) -> Automaton:
    """The automaton of an expression, read from the cache folder if it has been built before. Raises Unsupported."""
    key = hashlib.sha256(f"{FORMAT} {regex.__version__} {expression}".encode()).hexdigest()[:24]
    path = cache_folder.folder() / "patterns" / f"{key}.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            known = Automaton(file["class_of"], file["cells"], int(file["n_classes"]))
        if _is_sound(known):
            return known
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass
    built = _build(expression)
    buffer = io.BytesIO()
    np.savez(buffer, class_of=built.class_of, cells=built.cells, n_classes=built.n_classes)
    try:
        write_atomic(path, buffer.getvalue())
    except GlassError:
        pass  # built anew next time
    return built


def _is_sound(found: Automaton) -> bool:
    """Whether no step can leave the table. Kernels do not check, and a damaged file must not make them read elsewhere."""
    classes, cells, n = found
    return bool(
        classes.shape == (N_CODE_POINTS,)
        and classes.dtype == np.uint8
        and cells.dtype == np.int32
        and cells.ndim == 1
        and 0 < n <= MOST_CLASSES
        and len(cells) % (n + 1) == 0
        and len(cells) >= 2 * (n + 1)
        and classes.max() < n
        and not ((cells >> 1) % (n + 1)).any()
        and cells.min() >= 0
        and (cells >> 1).max() < len(cells)
        and not (cells[n :: n + 1] >> 1).any()
        and not cells[: n + 1].any()
    )


def _build(expression: str) -> Automaton:
    parsed = Parser(expression)
    member, class_of = _classes(list(parsed.sets))
    n_classes = len(member)
    states: dict[tuple[int, ...], int] = {(): 0, (parsed.start,): 1}
    queue = [(), (parsed.start,)]
    rows = []
    for state in queue:  # which grows meanwhile
        row = []
        for kind in range(n_classes + 1):
            successor, ends = _step(parsed.places, state, member[kind] if kind < n_classes else None)
            if successor not in states:
                if len(states) >= MOST_STATES:
                    raise Unsupported("too many states")
                states[successor] = len(states)
                queue.append(successor)
            row.append(states[successor] * (n_classes + 1) << 1 | ends)
        rows.append(row)
    cells = np.array(rows, np.int32)
    after_one = (cells[1, :n_classes] >> 1) // (n_classes + 1)
    if not (cells[after_one] & 1).all():
        raise Unsupported("some character begins no piece")
    return Automaton(class_of, cells.ravel(), n_classes)


def _step(places: list[tuple], state: tuple[int, ...], member: np.ndarray | None) -> tuple[tuple[int, ...], bool]:
    """(what is alive after a character of this class, whether a piece may end before it); None: the text's end."""
    successor: dict[int, None] = {}
    seen: set[int] = set()
    stack = list(state[::-1])
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        kind, *what = places[number]
        if kind == "done":
            return tuple(successor), True  # what is less preferred than a match is dropped
        if kind == "either":
            stack += [what[1], what[0]]
        elif kind == "set" and member is not None and member[what[0]]:
            successor[what[1]] = None
        elif kind == "not" and (member is None or not member[what[0]]):
            stack.append(what[1])
    return tuple(successor), False


def _classes(sets: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(member[class, set], class of each code point): characters that are in the same sets are one class."""
    if len(sets) > 60:
        raise Unsupported("too many sets of characters")
    everything = "".join(map(chr, range(N_CODE_POINTS)))
    signature = np.zeros(N_CODE_POINTS, np.int64)
    for number, one in enumerate(sets):
        for match in regex.finditer(f"(?:{one})+", everything):
            signature[match.start() : match.end()] |= 1 << number
    kinds, class_of = np.unique(signature, return_inverse=True)
    if len(kinds) > MOST_CLASSES:
        raise Unsupported("too many classes of characters")
    member = (kinds[:, None] >> np.arange(len(sets)) & 1).astype(bool)
    return member, class_of.astype(np.uint8)
