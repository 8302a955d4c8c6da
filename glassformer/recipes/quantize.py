"""A run of its own from another run's weights, in 8 or 4 bits: smaller on disk, and faster to write with on a CPU."""

import shlex
import sys
from datetime import datetime
from pathlib import Path

from glassformer.errors import GlassError
from glassformer.model.quantized import quantized
from glassformer.runs import checkpoint, writing
from glassformer.runs.report import write_report
from glassformer.runs.run import Run, check_free
from glassformer.system.folders import all_or_nothing
from glassformer.system.lock import locked


def quantize(source: Path, target: Path, bits: int) -> Path:
    """Make a run of the best weights of `source`, a run or a checkpoint, with matrices of so many bits, in a folder that is
    whole or not there; returns its checkpoint.

    Raises GlassError for weights that are quantized already or that need a user's own files, and for a folder that is
    taken or cannot be written.
    """
    saved = checkpoint.load(source, checkpoint.best)
    if saved.bits:
        raise GlassError(f"{source} holds weights of {saved.bits} bits already; quantize the run that it was made from")
    if saved.renamed:
        raise GlassError(f"{source} needs parts of your own, and a quantized run keeps none; use `generate --bits {bits}`")
    model = quantized(saved.model(), bits)
    origin = Run.open(checkpoint.run_of(source)[0])
    facts = origin.facts() | {
        "command": shlex.join(["glass", *sys.argv[1:]]), "argv": sys.argv[1:],
        "started": datetime.now().astimezone().isoformat(timespec="seconds"), "imported": str(source), "bits": bits,
    }  # fmt: skip
    recipe = (saved.folder / "recipe.json").read_text(encoding="utf-8")
    state = {"step": saved.step, "tokens": saved.state["tokens"], "seconds": 0.0, "precision": "fp32", "bits": bits}
    with locked(target):
        check_free(target)
        with all_or_nothing(target) as growing:
            run = Run.create(growing, recipe, facts)
            writing.save(growing / "checkpoints", writing.contents(model, None, state), recipe, saved.tokenizer())
            run.log("event", 0, what="quantize", detail=f"{source}, {bits} bits")
    write_report(target)
    return checkpoint.load(target).folder
