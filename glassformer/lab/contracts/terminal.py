"""`glass check-variant` on a terminal: one line a promise."""

from rich.console import Console
from rich.markup import escape

from glassformer.lab import contracts


def check_variant(path: str, console: Console) -> bool:
    """Hold the variant in the file `path` to every promise, in combination with others; says whether all were kept.

    Raises SettingError for a file that defines no part of the model, or one that fits to no others.
    """
    slot = contracts.slot_of(path)
    tried = contracts.N_COMBINATIONS
    console.print(f"{escape(path)} is a [bold]{slot}[/]; tried with {tried} combinations of the other parts")
    chosen, refused = contracts.possible(slot, path)
    if refused:
        console.print(f"{tried - len(chosen)} of them cannot be built: {escape(refused)}", soft_wrap=True)
    kept = True
    for verdict in contracts.verdicts(chosen):
        name = verdict.promise.replace("_", " ")
        console.print(f"[red]broken[/] {name}" if verdict.broken else f"[green]kept[/]   {name}", highlight=False)
        if verdict.broken:
            kept = False
            console.print(f"       {escape(verdict.broken)}", highlight=False, soft_wrap=True)
    console.print("All promises are kept." if kept else "See glassformer/lab/contracts/promises.py for what each one asks.")
    return kept
