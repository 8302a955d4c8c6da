"""The frame of every HTML page: how templates are rendered, and how all pages write numbers and settings.

`base.html`, `page.css` and `page.js` are the skeleton, the style and the script; `chart.py` computes charts and
`dataset.py` the tables that describe a dataset. A page is one file with its style and script inside, so it opens
offline.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import jinja2

from glassformer.system.command import on_a_page
from glassformer.system.visible import visible

_HOMES = re.compile(r"(?<![\w.~/])(?:/home/[^/\s]+|/Users/[^/\s]+|[A-Za-z]:\\Users\\[^/\\\s]+)(?=[/\\])")


def render(template: Path, values: dict[str, Any]) -> str:
    """The page that a template gives. It may extend this folder's `base.html` and use its charts and tables."""
    return environment(template.parent).get_template(template.name).render(**values)


def environment(*folders: Path) -> jinja2.Environment:
    """The templates of `folders`, then those of this folder. Values are escaped, and invisible characters made
    visible."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["setting"] = _setting
    environment.globals["glass"] = on_a_page
    environment.tests["nested"] = _nested
    environment.tests["any"] = lambda values: any(value is not None for value in values)
    environment.filters["readout"] = lambda line: {"steps": line["steps"], "values": line["values"]}
    return environment


def homeless(value: Any) -> Any:
    """The value, however deep, with `~` for the folders of users, here or on the machine that it comes from: a page is
    shown to others, who need not read who made it.
    """
    if isinstance(value, dict):
        return {homeless(key): homeless(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        made = getattr(value, "_make", type(value))  # a named tuple is made in its own way
        return made([homeless(item) for item in value])
    if not isinstance(value, str):
        return value
    own = str(Path.home())
    return _HOMES.sub("~", value.replace(own + os.sep, "~" + os.sep) if len(own) > 1 else value)


def duration(seconds: float) -> str:
    """A time in words.

    >>> duration(42.4), duration(200), duration(1_234), duration(7_500)
    ('42 s', '3 min 20 s', '20 min', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole < 600 else "")
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _nested(value: Any) -> bool:
    """Whether a setting is shown in a fold of its own: a mapping with many entries, or with mappings inside."""
    return isinstance(value, dict) and (len(value) > 6 or any(isinstance(item, dict) for item in value.values()))


def _setting(value: Any, comma: str = "") -> str:
    """The value of a setting in a few words; `comma` separates thousands.

    >>> _setting({"name": "rope", "base": 10_000})
    'rope · base 10000'
    """
    if isinstance(value, dict):
        parts = [("" if key == "name" else f"{key} ") + _setting(item, comma) for key, item in value.items()]
        return " · ".join(parts) or "none"
    if isinstance(value, list):
        return ", ".join(_setting(item, comma) for item in value) or "none"
    if value is None:
        return "none"
    return value if isinstance(value, str) else f"{value:{comma}}" if type(value) is int else json.dumps(value)
