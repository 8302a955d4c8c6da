"""What `glass look` does with the words that were typed."""

from pathlib import Path
from typing import Any

from glassformer.errors import LensError
from glassformer.lens.look.gather import gather, small_threads
from glassformer.lens.look.glance import glance
from glassformer.lens.look.page import write_page
from glassformer.lens.look.terminal import say_written, show
from glassformer.lens.tokens import find
from glassformer.recipes.build import device_of
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.shipped import called, example, names, run_or_shipped
from glassformer.system.command import on_a_page, typed

EXAMPLE = "Walt sat at the smithy. He"


def look_at(
    console: Any, words: list[str], html: Path | None, place: int | None, knobs: list[str], over_time: bool
) -> Path:  # fmt: skip
    """Look, and print or write; returns the folder of the model. Raises GlassError."""
    folder, text = _meant(words)
    if over_time and html is None:
        raise LensError(f"--over-time is for a page: {typed('look', *words, '--over-time', '--html', 'look.html')}")
    if html is not None and html.suffix.lower() not in (".html", ".htm"):
        raise LensError(f"{html} does not end in .html: a page is written there, so name it such as look.html")
    saved = checkpoint.load(folder, checkpoint.best)
    sampling = Recipe.parse(saved.recipe).sample.override(*knobs)
    model, tokenizer = saved.model(device=device_of("auto")).eval(), saved.tokenizer()
    if html is None:
        with small_threads(model):
            show(glance(model, tokenizer, text, sampling, place), called(folder), console)
        return folder
    over = checkpoint.run_of(folder)[0] if over_time else None
    with console.status("looking"):
        look = gather(model, tokenizer, text, sampling, saved.step, place, over)
        given = [f"--place={place}"] if place is not None else []
        options = [*given, *(f"--set={knob}" for knob in knobs), *(["--over-time"] if over_time else [])]
        command = on_a_page("look", called(folder), words[-1], *options, "--html", html.name)
        write_page(look, checkpoint.run_of(folder)[0].name, command, html)
    say_written(look, html, console)
    return folder


def _meant(words: list[str]) -> tuple[Path, str]:
    """(the folder of a model, the text)."""
    if len(words) > 2:
        raise LensError(f"'{words[2]:.60}' is one word too many: put the text in quotes, {typed('look', 'RUN', EXAMPLE)}")
    *named, source = words
    if not named and (source in names() or _is_run(source)):
        raise LensError(f"{source} is a model; say what it should read: {typed('look', source, EXAMPLE)}")
    text = find.text(source)
    if not text.strip():
        raise LensError(f"there is no text to look at; write one in quotes: {typed('look', *named, EXAMPLE)}")
    return run_or_shipped(named[0]) if named else example(), text


def _is_run(source: str) -> bool:
    try:
        return (Path(source) / "run.json").is_file()
    except (OSError, ValueError):  # a text that is too long for a name
        return False
