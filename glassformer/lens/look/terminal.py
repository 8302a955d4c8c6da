"""Prints what `glass look` sees: the tokens and their loss, the strongest heads, the logit lens, the next token."""

from pathlib import Path

from rich.columns import Columns
from rich.console import Console
from rich.table import Table
from rich.text import Text

from glassformer.lens.look.gather import Look
from glassformer.lens.look.glance import Glance

SHADES = ("default", "black on bright_white", "black on yellow", "white on red", "white on magenta")
"""Of a loss below 0.5, 1.5, 3 and 6 nats, and above."""
BOUNDS = (0.5, 1.5, 3.0, 6.0)
MOST_CELLS = 300
NEXT = 10
"""Tokens that are shown of the next token's distribution."""


def show(seen: Glance, name: str, console: Console) -> None:
    """Print all four."""
    heading = Text(name, style="bold cyan")
    loss = f", {seen.loss:.3f} nats a token" if seen.T > 1 else ""
    console.print(heading.append(f"  {seen.T} tokens{loss}", style="not bold default"))
    print_tokens(seen, console)
    print_heads(seen, console)
    print_lens(seen, console)
    print_next(seen, console)
    for sentence in seen.left_out:
        console.print(f"\n{sentence}", style="yellow", markup=False, soft_wrap=True)


def print_tokens(seen: Glance, console: Console) -> None:
    """Each token with the nats that it cost."""
    console.print("\nWhat each token cost, in nats (0.69: one of two that are equally likely)", style="bold")
    cells = []
    for token, nats in list(zip(seen.tokens, seen.nats.tolist()))[:MOST_CELLS]:
        shade = SHADES[sum(nats >= bound for bound in BOUNDS)]
        cells.append(Text(no_wrap=True).append(token, shade).append(f" {nats:.2f}" if nats == nats else " given", "dim"))
    console.print(Columns(cells, padding=(0, 2)))
    if seen.T > MOST_CELLS:
        console.print(f"... and {seen.T - MOST_CELLS:,} tokens more", style="dim")


def print_heads(seen: Glance, console: Console) -> None:
    """The best head for each question, and what chance is."""
    if not seen.measured:
        return
    table = Table(title="\nWhat heads do, by measurement", title_justify="left", title_style="bold", box=None)
    table.add_column("what is read", style="cyan")
    table.add_column("best head")
    for column in ("share read there", "by chance", "places that ask"):
        table.add_column(column, justify="right")
    for scores in seen.measured:
        best = scores.best
        style = "" if scores.passing else "dim"
        table.add_row(
            scores.what, f"layer {best.layer}, head {best.head}" + ("" if scores.passing else " (near chance)"),
            f"{best.score:.3f}", f"{scores.chance:.3f}", f"{scores.events:,}", style=style,
        )  # fmt: skip
    console.print(table)


def print_lens(seen: Glance, console: Console) -> None:
    """What each layer would say at the place that is looked at."""
    its, place = seen.lens, seen.place
    title = f"\nWhat each layer would say behind place {place} ({seen.tokens[place]})"
    table = Table(title=Text(title, "bold"), title_justify="left", box=None)
    table.add_column("after", style="cyan")
    table.add_column("likeliest next tokens")
    table.add_column("entropy", justify="right")
    came = place + 1 < seen.T
    if came:
        table.add_column(Text(f"what came ({seen.tokens[place + 1]})"), justify="right")
    for i, name in enumerate(its.names):
        guess = Text()
        n = 5 if console.width >= 100 else 3
        for id, p in list(zip(its.top[i, 0, place].tolist(), its.probabilities[i, 0, place].tolist()))[:n]:
            guess.append(seen.token(id), "bold").append(f" {p:.3f}  ", "dim")
        after = "embedding" if name == "embed" else name.replace("blocks.", "layer ")
        target = [f"{float(its.target[i, 0, place]):.4f}"] if came and its.target is not None else []
        table.add_row(after, guess, f"{float(its.entropy[i, 0, place]):.2f}", *target)
    console.print(table)


def print_next(seen: Glance, console: Console) -> None:
    """The likeliest next tokens: the model's probabilities, and what each stage of sampling makes of them."""
    stages = seen.stages(seen.place)
    title = Text(f"\nThe next token behind place {seen.place} ({seen.tokens[seen.place]})", "bold")
    table = Table(title=title, title_justify="left", box=None)
    table.add_column("token", style="bold")
    table.add_column("logit", justify="right")
    for name, _ in stages:
        table.add_column("the model" if name == "model" else name, justify="right")
    table.add_column("")
    for id in stages[0][1].topk(min(NEXT, len(stages[0][1]))).indices.tolist():
        cells = [f"{float(p[id]):.4f}" if p[id] > 0 else "out" for _, p in stages]
        bar = "█" * round(30 * float(stages[-1][1][id]))
        table.add_row(Text(seen.token(id)), f"{float(seen.logits[seen.place, id]):.3f}", *cells, bar)
    console.print(table)


def say_written(look: Look, path: Path, console: Console) -> None:
    """What was written, and what it does not show."""
    size = path.stat().st_size
    steps = f", at {len(look.moments)} steps of its training" if len(look.moments) > 1 else ""
    console.print(
        f"wrote {path}: {look.glance.T} tokens{steps}, {size / 1e6:.1f} MB; open it in a browser",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    for sentence in look.left_out:
        console.print(sentence, style="dim", markup=False, soft_wrap=True)
