"""The source of the user's own files that fill slots of a recipe, as they were when they were loaded."""

from typing import Any

from glassformer.config import Config, Variant


def sources(config: Config) -> dict[str, bytes]:
    """{path: the bytes that were loaded} of every variant in `config`, however deep, that is a file of the user's own.

    The file itself may have changed since: a run that takes days keeps what it runs.
    """
    found: dict[str, bytes] = {}
    _collect(config, found)
    return found


def _collect(value: Any, found: dict[str, bytes]) -> None:
    if isinstance(value, Variant) and value.variant_source is not None:
        found[value.name] = value.variant_source
    if isinstance(value, Config):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _collect(child, found)
