"""The tables with which pages describe a dataset: sizes, sources, and what cleaning did.

`facts` are the content of a dataset's `index.json`, or what a run has kept of it in `run.json` (older runs kept less).
Whatever is missing or not as expected is left out.
"""

from typing import Any

from glassformer.pages.chart import drawable

Row = dict[str, Any]
SHOWN = {"train", "validation", "sources", "weights", "cleaning", "skipped", "notes", "split_rule"}
"""The facts that `sections` turns into tables."""


def sections(facts: Row) -> Row:
    """The values that `dataset.html` shows, by name."""
    splits = [name for name in ("train", "validation") if _whole(facts.get(name))]
    return {
        "source": _source(facts.get("source")),
        "rule": str(facts.get("split_rule") or ""),
        "splits": [{"name": name, **_sizes(facts[name])} for name in splits],
        "sources": _sources(facts),
        "cleaning": [_step(step) for step in _rows(facts.get("cleaning"))],
        "remarks": [
            {"title": title, "lines": [{key: _cell(line.get(key)) for key in ("count", "reason", "example")}
                                       for line in _rows(facts.get(key_of))]}
            for title, key_of in (("Left out", "skipped"), ("Read, with a note", "notes")) if _rows(facts.get(key_of))
        ],
    }  # fmt: skip


def _sizes(sizes: Row) -> Row:
    documents, tokens, n_bytes = (sizes[key] for key in ("documents", "tokens", "bytes"))
    return {
        "documents": _cell(documents),
        "tokens": _cell(tokens),
        "bytes": _cell(n_bytes),
        "bytes_per_token": f"{n_bytes / tokens:.2f}" if tokens else "–",
        "tokens_per_document": f"{tokens / documents:,.0f}" if documents else "–",
    }


def _sources(facts: Row) -> list[Row]:
    """A line for each source of a mixture; none for a plain corpus."""
    names, weights = facts.get("sources"), facts.get("weights")
    if not (isinstance(names, list) and isinstance(weights, list) and len(names) == len(weights) > 1):
        return []
    parts = {split: _rows((facts.get(split) or {}).get("sources")) for split in ("train", "validation")}
    total = sum(part["bytes"] for part in parts["train"] if _whole(part)) or 1
    lines = []
    for i, (name, weight) in enumerate(zip(names, weights)):
        sizes = [part[i] for part in parts.values() if i < len(part) and _whole(part[i])]
        together = {key: sum(size[key] for size in sizes) for key in ("documents", "tokens", "bytes")}
        share = parts["train"][i]["bytes"] / total if i < len(parts["train"]) and _whole(parts["train"][i]) else 0
        lines.append({
            "name": str(name), **_sizes(together), "share": f"{share:.1%}",
            "weight": f"{weight:.1%}" if isinstance(weight, (int, float)) and drawable(weight) else "–",
        })  # fmt: skip
    return lines


def _step(step: Row) -> Row:
    """A cleaning step: how many documents it changed and dropped, and how many characters it removed."""
    numbers = [step.get(key) for key in ("documents_before", "documents_after", "characters_before", "characters_after")]
    before, after, characters, left = (n if isinstance(n, int) else 0 for n in numbers)
    changed = step.get("changed")
    return {
        "step": str(step.get("step", "")).replace("_", " "),
        "changed": _cell(changed),
        "dropped": _cell(before - after),
        "removed": _cell(characters - left),
        "share": f"{(characters - left) / characters:.2%}" if characters else "–",
        "idle": changed == 0,
    }


def _source(source: Any) -> str:
    """What a person calls the corpus: its path, or else its name."""
    return str(source.get("path") or source.get("name")) if isinstance(source, dict) else str(source or "")


def _rows(value: Any) -> list[Row]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _whole(sizes: Any) -> bool:
    """Whether these are the complete sizes of a split."""
    return isinstance(sizes, dict) and all(type(sizes.get(key)) is int for key in ("documents", "tokens", "bytes"))


def _cell(value: Any) -> str:
    return f"{value:,}" if type(value) is int else str(value if value is not None else "–")
