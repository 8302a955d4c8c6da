"""Where the lessons are, and what each is called: `lessons/NN_name.py` of a clone."""

import re
from pathlib import Path
from typing import NamedTuple

from glassformer.errors import GlassError
from glassformer.system.command import typed

FOLDER = Path(__file__).resolve().parents[2] / "lessons"


class Lesson(NamedTuple):
    """One file of the folder."""

    path: Path
    title: str
    """Its first heading, without the number."""
    about: str
    """The sentence below the heading, as plain text."""

    @property
    def number(self) -> str:
        """Two digits: "04"."""
        return self.path.name[:2]


def lessons() -> list[Lesson]:
    """All lessons by number. Raises GlassError in an installed package, which comes without them."""
    found = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
    if not found:
        raise GlassError("an installed package has no lessons: clone the repository and run ./glass lessons there")
    return [_read(path) for path in found]


def lesson(number: str) -> Lesson:
    """The lesson that a person means by "4", "04" or "04_attention". Raises GlassError."""
    all_of_them = lessons()
    wanted = number.removesuffix(".py").rpartition("/")[2]
    for each in all_of_them:
        if wanted in (each.number, each.number.lstrip("0") or "0", each.path.stem):
            return each
    numbers = ", ".join(each.number for each in all_of_them)
    raise GlassError(f"there is no lesson {number}; `{typed('lessons', 'list')}` shows them: {numbers}")


def _read(path: Path) -> Lesson:
    text = path.read_text(encoding="utf-8")
    heading = re.search(r"^# # (?:Lesson )?\d+ *[:·.-] *(.+)\n#\n# (.+)", text, re.M)
    assert heading, f"{path.name} does not begin with '# # NN · title', an empty line, and one sentence"
    return Lesson(path, heading[1].strip(), re.sub(r"[*`]", "", heading[2]).strip())
