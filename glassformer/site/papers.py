"""The papers that the docstrings of the package name, and where: "Su et al., 2021, eq. 34" in `kernels/rope.py`."""

import re
from typing import NamedTuple

from glassformer.site.modules import Module

NAME = r"[A-Z][a-zA-Z]*[a-z][A-Za-z-]*"
PLACE = r"(?:, (?:eq|algorithm|section|table|figure)[^;,).]*\.?[^;,)]*)?"
CITED = re.compile(rf"\b({NAME}(?: et al\.| and {NAME})?),? \(?((?:18|19|20)\d\d)\b({PLACE})")
MONTHS = {
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December", "Unicode", "Python",
}  # fmt: skip


class Use(NamedTuple):
    """One place that names a paper."""

    module: Module
    where: str
    """The equation or algorithm: "eq. 34"; may be empty."""


def papers(modules: list[Module]) -> dict[tuple[str, int], list[Use]]:
    """(authors, year) -> who names the paper, the oldest paper first."""
    found: dict[tuple[str, int], list[Use]] = {}
    for module in modules:
        docs = [module.doc, *(doc for item in module.items for doc in (item.doc, *(m.doc for m in item.members)))]
        for authors, year, where in CITED.findall(" ".join(" ".join(docs).split())):
            uses = found.setdefault((authors, int(year)), [])
            if authors in MONTHS:
                continue
            use = Use(module, where.removeprefix(", ").strip())
            if all(use.module is not other.module for other in uses):
                uses.append(use)
    return dict(sorted(((paper, uses) for paper, uses in found.items() if uses), key=lambda pair: (pair[0][1], pair[0][0])))
