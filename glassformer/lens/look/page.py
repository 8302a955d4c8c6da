"""The page of `glass look`: one HTML file with its numbers, its style and its script inside.

The script is a handful of ES modules in `js/`, written to be read. A page that is opened from a disk may not import files,
so they are put into it one behind the other, each enclosed in a function.
"""

import json
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup

from glassformer.errors import LensError
from glassformer.lens.look.encode import encoded, triangle
from glassformer.lens.look.gather import Look
from glassformer.lens.look.moments import LayerHeads, Moment
from glassformer.pages.frame import homeless, render
from glassformer.system.files import write_atomic

HERE = Path(__file__).parent
MODULES = ("numbers", "focus", "text", "gallery", "head", "lens", "said", "next", "why", "time", "main")
"""The files of `js/`, each behind those that it imports."""
BEST = 4
"""Heads that are named for each question."""


def write_page(look: Look, name: str, command: str, path: Path) -> Path:
    """Write the page; `name` is what a person calls the model. Raises LensError for a file that is no page."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise LensError(f"{path} does not end in .html: a page is written there, so name it such as look.html")
    values = {
        "name": homeless(name), "command": homeless(command), "look": look, "model": look.glance.model,
        "data": Markup(_json(_data(look))), "script": Markup(script()), "text": _text(look),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, render(HERE / "look.html", values))
    return path


def script() -> str:
    """All modules in one: each in a function of its own, which returns what the module exports."""
    return "\n".join(_enclosed(name, (HERE / "js" / f"{name}.js").read_text(encoding="utf-8")) for name in MODULES)


def _enclosed(name: str, text: str) -> str:
    exported = re.findall(r"^export (?:function|const) (\w+)", text, flags=re.M)
    text = re.sub(r'^import (\{[^}]*\}) from "\./(\w+)\.js";$', r"const \1 = \2_js;", text, flags=re.M)
    text = re.sub(r"^export ", "", text, flags=re.M)
    return f"// {name}.js\nconst {name}_js = (() => {{\n{text}return {{ {', '.join(exported)} }};\n}})();"


def _json(data: Any) -> str:
    """JSON that may stand in a page: no text in it can end the script element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _text(look: Look) -> str:
    ids = look.glance.ids[0].tolist()
    return look.glance.tokenizer.decode(ids[1:] if look.glance.tokenizer.end_of_text is not None else ids)


def _data(look: Look) -> dict[str, Any]:
    seen = look.glance
    sampling = seen.sampling
    return {
        "tokens": seen.ids[0].tolist(),
        "vocabulary": [seen.token(id) for id in range(seen.logits.shape[-1])],
        "place": seen.place,
        "moments": [_moment(moment, look.exact) for moment in look.moments],
        "exact": look.exact,
        "logits": {"first": look.first_logits, **encoded(seen.logits[look.first_logits :])},
        "measured": [
            {
                "what": scores.what, "chance": scores.chance, "events": scores.events, "passing": len(scores.passing),
                "heads": [[head.layer, head.head, head.score] for head in scores.heads[:BEST]],
            }
            for scores in seen.measured
        ],
        "sampling": {key: getattr(sampling, key) for key in ("temperature", "top_k", "top_p", "min_p")},
        "roots": [
            {"place": r.place, "title": r.title, "number": r.number, "layer": r.layer, "head": r.head} for r in look.roots
        ],
        "reasons": look.reasons.numbers,
        "made": look.reasons.made,
    }  # fmt: skip


def _moment(moment: Moment, exact: bool) -> dict[str, Any]:
    lens = moment.lens
    assert lens.target is not None and lens.rank is not None
    return {
        "step": moment.step,
        "loss": None if moment.loss != moment.loss else moment.loss,
        "nats": encoded(moment.nats),
        "next": {
            "top": encoded(moment.top), "p": encoded(moment.probabilities), "rank": encoded(moment.rank),
        },
        "layers": {str(layer): _heads(heads, exact) for layer, heads in moment.heads.items()},
        "lens": {
            "names": lens.names, "top": encoded(lens.top[:, 0]), "p": encoded(lens.probabilities[:, 0]),
            "entropy": encoded(lens.entropy[:, 0]), "target": encoded(lens.target[:, 0]), "rank": encoded(lens.rank[:, 0]),
        },
        "said": {
            which: {
                "parts": said.parts, "terms": encoded(said.terms[:, 0]), "constant": encoded(said.constant[0]),
                "logit": encoded(said.logit[0]),
            }
            for which, said in moment.said.items()
        },
    }  # fmt: skip


def _heads(heads: LayerHeads, exact: bool) -> dict[str, Any]:
    return {
        "numbers": heads.numbers, "all": heads.n_all, "softmax": heads.is_softmax, "channels": heads.are_channels,
        "formula": heads.formula, "weights": encoded(triangle(heads.weights), exact), "values": encoded(heads.values),
    }  # fmt: skip
