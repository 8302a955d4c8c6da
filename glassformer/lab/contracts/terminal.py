"""`glass check-variant` on a terminal: one line a promise, for every slot that the file fills."""

from rich.console import Console
from rich.markup import escape

from glassformer.lab import contracts
from glassformer.lab.contracts import Part, Verdict, bounded


def check_variant(
    path: str, console: Console, seconds: float = bounded.SECONDS, minutes: float = bounded.MINUTES
) -> bool:
    """Hold every part in the file `path` to the promises of its kind; says whether all were kept.

    A promise that takes longer than `seconds` is reported and left; after `minutes` the rest of a part's promises are not
    tested. Raises SettingError for a file that defines no part of a recipe, or one that fits to no others.
    """
    parts = contracts.parts_of(path)
    if len(parts) > 1:
        console.print(f"{escape(path)} fills {len(parts)} slots: {', '.join(part.setting for part in parts)}")
    kept = [_check(part, console, seconds, minutes) for part in parts]
    return all(kept)


def _check(part: Part, console: Console, seconds: float, minutes: float) -> bool:
    promises, (cases, missing) = contracts.promises(part), contracts.cases(part)
    tried = f", tried in {len(cases)} combinations with other parts" if part.of_the_model else ""
    console.print(f"{escape(part.path)} as [bold]{part.setting}[/]{tried}:", soft_wrap=True)
    if missing:
        console.print(f"  {escape(missing)}", soft_wrap=True)
    found: list[Verdict] = []
    with console.status("") as status:
        status.update(_now(promises, 0))
        for verdict in bounded.verdicts(part, seconds, minutes):
            found.append(verdict)
            _say(verdict, console)
            status.update(_now(promises, len(found)))
    n_broken, n_unchecked = sum(bool(v.broken) for v in found), sum(bool(v.unchecked) for v in found)
    if not n_broken and not n_unchecked:
        console.print(
            f"All {len(found)} promises are kept. Use it with {part.setting}={escape(part.path)}", soft_wrap=True
        )
        return True
    rest = f", {n_unchecked} not tested" if n_unchecked else ""
    console.print(f"{n_broken} of {len(found)} promises broken{rest}.")
    return False


def _now(promises: list, done: int) -> str:
    """What is being tested."""
    return f"{done + 1} of {len(promises)}: {contracts.title(promises[done])}" if done < len(promises) else ""


def _say(verdict: Verdict, console: Console) -> None:
    word = (
        "[red]broken[/]  " if verdict.broken else "[yellow]not tested[/]" if verdict.unchecked else "[green]kept[/]    "
    )
    console.print(f"  {word} {verdict.promise.replace('_', ' ')}", highlight=False)
    if verdict.broken:
        console.print(f"           it promises: {escape(verdict.meaning)}", highlight=False, soft_wrap=True)
    if why := verdict.broken or verdict.unchecked:
        console.print(f"           {escape(why)}", highlight=False, soft_wrap=True)
