"""`glass plan` on a terminal: three questions, three tables; or as JSON."""

import json

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from glassformer.corpora.village import Village
from glassformer.lab.plan import Plan, plan, scaling
from glassformer.lab.plan.advice import layout_that_fits, machines_that_fit, settings_that_fit
from glassformer.lab.plan.hardware import named
from glassformer.recipes.presets import Recipe

VILLAGE = "on the village: a 5-gram needs 0.344 bits per byte, mini needed 0.140 after 9.4M tokens (LOG.md)"


def show(console: Console, recipe: Recipe, hardware: str, ranks: int, as_json: bool) -> Plan:
    """Make the plan, print it and return it. Raises SettingError."""
    found = plan(recipe, named(hardware), ranks)
    changes, machines = ([], []) if found.fits else (settings_that_fit(found), machines_that_fit(found))
    layout = layout_that_fits(found) if ranks > 1 and not found.fits else ""
    if as_json:
        tree = {**found.to_json(), "advice": [{"settings": s, "peak": p} for s, p in changes], "layout": layout}
        console.print(json.dumps(tree, indent=2), markup=False, soft_wrap=True)
        return found
    _print(console, _fit(found))
    _verdict(console, found, changes, machines, layout)
    if ranks > 1:
        _print(console, _ranks(found))
    _print(console, _time(found))
    _print(console, _result(found))
    for warning in found.warnings:
        console.print(f"[yellow]note:[/] {warning}", soft_wrap=True)
    return found


NARROW = 72
"""Columns below which a remark stands under its number instead of beside it."""


def _table(title: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold cyan", box=None, show_header=False, pad_edge=False
    )
    table.add_column(min_width=18)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    return table


def _print(console: Console, table: Table) -> None:
    """Print a table of `_table`. On a narrow terminal each remark goes to lines of its own."""
    if console.width >= NARROW:
        console.print(table)
        return
    console.print(f"[bold cyan]{table.title}[/]")
    for name, value, remark in zip(*(column.cells for column in table.columns)):
        line = Table.grid(expand=True)
        line.add_column(ratio=1)
        line.add_column(justify="right", no_wrap=True)
        line.add_row(name, value)
        console.print(line)
        if remark:
            console.print(Padding(remark, (0, 0, 0, 2)), style="dim")


def _fit(found: Plan) -> Table:
    table, memory, train = _table("\nWill it fit?"), found.memory, found.recipe.train
    parts = ", ".join(f"{name} {_count(n)}" for name, n in found.parameters.items())
    table.add_row("parameters", _count(found.n_parameters), f"{found.n_parameters:,}: {parts}")
    table.add_row("weights", _bytes(memory.weights), "fp32")
    table.add_row("gradients", _bytes(memory.gradients), "fp32")
    table.add_row("optimizer", _bytes(memory.optimizer), train.optimizer.name + ", averages" * bool(train.ema))
    rows = (
        f"{train.micro_batch_size} x {found.recipe.model.context_length} tokens in {found.precision}, the loss included"
    )
    table.add_row("activations", _bytes(memory.activations), rows if found.ranks == 1 else "of one micro-batch")
    table.add_row("temporary", _bytes(memory.passing), "more at the peak, with what the allocator loses")
    table.add_row("Python and PyTorch", _bytes(memory.process), "")
    if memory.copy:
        place = "" if found.hardware.kind == "cpu" else " in main memory"
        table.add_row("copy", _bytes(memory.copy), f"of weights and optimizer{place}, for train.async_checkpoint")
    table.add_row("[bold]peak[/]", f"[bold]{_bytes(memory.peak)}[/]", f"of {_bytes(found.hardware.memory)} per device")
    if found.ranks > 1:
        table.add_row("peak, sharded", _bytes(found.sharded), f"if {found.ranks} ranks share the first three (FSDP)")
    table.add_row("cache", _bytes(found.cache), f"to generate {found.recipe.model.context_length} tokens")
    table.add_row("checkpoint", _bytes(found.checkpoint), f"on disk; {train.keep_checkpoints} are kept")
    if found.data.bytes:
        table.add_row("dataset", _bytes(found.data.bytes), "on disk" if found.data.exact else "on disk, estimated")
    return table


def _ranks(found: Plan) -> Table:
    table, each = _table("\nWhat does each of them store and send?"), found.divided
    sizes = " x ".join(f"{name} {size}" for name, size in each.layout.sizes.items())
    table.add_row("layout", str(found.ranks), f"{sizes} (parallel.*)")
    table.add_row("weights", _bytes(each.weights), "on the device with the most")
    table.add_row("gradients", _bytes(each.gradients), "")
    table.add_row("optimizer", _bytes(each.optimizer), "")
    table.add_row("activations", _bytes(each.activations), "of the micro-batches under way; an estimate")
    table.add_row("[bold]peak[/]", f"[bold]{_bytes(each.peak)}[/]", f"of {_bytes(found.hardware.memory)}")
    for name, size in each.traffic.bytes.items():
        number = each.traffic.messages[name]
        table.add_row(f"{name}, sent", _bytes(size), f"in {number:,} messages a step (docs/communication.md)")
    if each.bubble:
        table.add_row("waiting", f"{each.bubble:.0%}", "of the computing time, at the ends of the pipeline")
    table.add_row("sending", _seconds(each.seconds), "a step, with stated bandwidths and no overlap; nobody measured it")
    return table


def _verdict(
    console: Console, found: Plan, changes: list[tuple[str, float]], machines: list[str], layout: str
) -> None:
    name = found.hardware.name if found.ranks == 1 else f"each of {found.ranks} x {found.hardware.name}"
    if found.fits:
        console.print(f"[green]It fits[/] on {name}: {found.divided.peak / found.hardware.memory:.0%} of its memory.")
        return
    if layout:
        console.print(f"[yellow]It fits on {name} only when divided[/]:")
        console.print(f"  fits with  [bold]{layout}[/]", soft_wrap=True)
        return
    if found.fits_sharded:
        console.print(f"[yellow]It fits on {name} only when sharded[/] (FSDP).")
    else:
        console.print(f"[red]It does not fit[/] on {name}.")
    if not changes:
        console.print("  No single setting is enough: plan a smaller model, or split it over many devices.")
    for settings, peak in changes:
        console.print(f"  fits with  [bold]{settings}[/]  ({_bytes(peak)})", soft_wrap=True)
    for machine in machines:
        console.print(f"  or on      {machine}", soft_wrap=True)


def _time(found: Plan) -> Table:
    table, train, hardware = _table("\nHow long?"), found.recipe.train, found.hardware
    how = "measured a moment ago" if hardware.measured else "from its data sheet"
    speed = f"{hardware.fp32 / 1e12:.2g} TFLOP/s fp32, {hardware.narrow / 1e12:.3g} in 16 bits, "
    table.add_row("machine", hardware.name, f"{speed}{hardware.bandwidth / 1e9:.0f} GB/s, {how}")
    table.add_row("FLOPs per token", f"{found.flops_per_token:.2e}", "forward and backward, attention included")
    rate = f"{found.tokens_per_step:,} tokens, {found.tokens_per_second:,.0f} per second"
    table.add_row("one step", _seconds(found.seconds_per_step), rate)
    whole = f"{train.steps:,} steps, {found.flops:.2e} FLOPs, without evaluations and samples"
    table.add_row("[bold]the whole run[/]", f"[bold]{_seconds(found.seconds)}[/]", whole)
    table.add_row("utilisation", f"{found.utilisation:.0%}", f"of the peak in {found.precision}")
    error = "25 % on a quiet machine" if hardware.measured else "a factor of two (we have not measured this machine)"
    table.add_row("accuracy", "", f"within about {error}")
    return table


def _result(found: Plan) -> Table:
    table, data = _table("\nWhat will I get?"), found.data
    remark = f"about {scaling.OPTIMAL} make the best use of a given compute (Hoffmann et al., 2022)"
    table.add_row("tokens read", _count(data.tokens_seen), f"{found.tokens_per_parameter:.1f} per parameter; {remark}")
    if data.tokens and data.readings:
        about = "" if data.exact else "about "
        table.add_row("in the training text", _count(data.tokens), f"{about}each is read {data.readings:,.1f} times")
    guess = f"nats per token = ln {found.recipe.model.vocab_size:,}; the loss starts here"
    table.add_row("uniform guess", f"{found.uniform_loss:.2f}", guess)
    if isinstance(found.recipe.corpus, Village):
        table.add_row("expected", "", VILLAGE)
    band = found.loss
    if band is None:
        table.add_row("on web text", "?", "too few parameters or tokens for the scaling law to say anything")
        return table
    low, high = band.bits_per_byte
    table.add_row("on web text", f"{band.low:.2f} to {band.high:.2f}", "nats per token of a vocabulary of 32,000")
    table.add_row("", f"{low:.2f} to {high:.2f}", "bits per byte")
    table.add_row("source", "", band.source + (f"; {band.remark}" if band.remark else ""))
    return table


def _count(n: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= size:
            return f"{n / size:.3g}{unit}"
    return f"{n:.0f}"


def _bytes(n: float) -> str:
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if abs(n) >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n / 1e3:.0f} kB"


def _seconds(s: float) -> str:
    for size, unit in ((3.15e7, "years"), (86400, "days"), (3600, "hours"), (60, "minutes"), (1, "s")):
        if s >= size:
            return f"{s / size:.3g} {unit}"
    return f"{1000 * s:.3g} ms"
