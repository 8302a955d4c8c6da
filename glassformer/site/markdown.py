"""Pages of the site that are made from the package: formulas, the API, and the papers, in MyST's Markdown."""

import re
from pathlib import PurePosixPath

from glassformer.site.links import source_page
from glassformer.site.modules import Item, Module, plain_code
from glassformer.site.papers import Use

FORMULAS, API = PurePosixPath("formulas"), PurePosixPath("api")


def prose(doc: str) -> str:
    """A docstring as Markdown: what is indented is a formula and keeps its form, `>>>` is an example, the rest is text."""
    parts = []
    for block in re.split(r"\n\s*\n", doc):
        lines = block.rstrip().splitlines()
        if all(line.startswith("    ") for line in lines):
            parts.append("\n".join(["```text", *(line[4:] for line in lines), "```"]))
        elif lines and lines[0].startswith(">>>"):
            parts.append("\n".join(["```pycon", *lines, "```"]))
        else:
            parts.append("\n".join(map(_escaped, lines)))
    return "\n\n".join(parts)


def formula(module: Module) -> str:
    """The page of a formula: its maths, the signatures of its functions, and its `plain`."""
    parts = [f"# {_short(module)}", prose(module.doc), _source(module, FORMULAS)]
    for item in module.items:
        if item.kind == "function":
            parts += [f"## `{item.name}`", f"```python\n{item.name}{item.signature}\n```", prose(item.doc)]
            if item.name == "plain":
                parts.append(f"The formula in tensor operations:\n\n```python\n{plain_code(module)}\n```")
    anchor = f"../api/{module.folder}.md#{_anchor(module)}"
    return "\n\n".join([*parts, f"All names of this file stand in the [API]({anchor})."]) + "\n"


def api(folder: str, inside: list[Module]) -> str:
    """The page of one folder of the package: each module with its public names."""
    parts = [f"# {folder}"]
    for module in inside:
        parts += [f"({_anchor(module)})=\n## {_short(module)}" if module.name != folder else f"({_anchor(module)})="]
        parts += [f"```{{py:module}} {module.name}\n```", prose(module.doc), _source(module, API)]
        parts += [_described(item) for item in module.items]
    return "\n\n".join(parts) + "\n"


def papers_table(found: dict[tuple[str, int], list[Use]]) -> str:
    """The page that lists the papers by year, with the files that follow them."""
    rows = []
    for (authors, year), uses in found.items():
        places = ", ".join(
            f"[{use.module.name}](api/{use.module.folder}.md#{_anchor(use.module)})" + (use.where and f" ({use.where})")
            for use in uses
        )
        rows.append(f"| {year} | {authors} | {places} |")
    about = "The papers that the files of the package name, the oldest first, with the equation where a file says which."
    return "\n".join([
        "# Papers", "", about, "", "| year | authors | where it is used |", "|---|---|---|", *rows, "",
    ])  # fmt: skip


def contents(title: str, about: str, entries: list[str]) -> str:
    """A page that lists others: names of documents beside it."""
    return "\n".join([f"# {title}", "", about, "", "```{toctree}", ":maxdepth: 1", "", *entries, "```", ""])


def _described(item: Item, ticks: int = 8) -> str:
    kind = "attribute" if item.kind == "data" and ticks < 8 else item.kind
    fence = "`" * ticks
    inside = [prose(item.doc), *(_described(member, ticks - 1) for member in item.members)]
    return "\n\n".join([f"{fence}{{py:{kind}}} {item.name}{item.signature}", *filter(None, inside), fence])


def _source(module: Module, at: PurePosixPath) -> str:
    return f"Source: [`{module.path}`]({source_page(PurePosixPath(module.path), at)})"


def _short(module: Module) -> str:
    return module.name.rpartition(".")[2]


def _anchor(module: Module) -> str:
    return module.name.replace(".", "-").replace("_", "-").lower()


def _escaped(line: str) -> str:
    """A line of text in which nothing outside backticks has a meaning for Markdown, but a dash that begins an item."""
    parts = line.split("`")
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"([\\*_\[\]{}$])", r"\\\1", parts[at]).replace("<", "&lt;")
    return re.sub(r"^(\s*)([#+>]|\d+\.(?!\s)|=+$)", r"\1\\\2", "`".join(parts))
