"""What several processes do, tried by several processes: `python tests/parallel/processes.py out.json`.

Processes are forked from this one, which has imported everything once; each kind of world (one, two, four processes) starts
once and does all of its checks. What they see goes into a JSON file, which test_processes.py reads.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import multiprocessing

from glassformer.errors import GlassError
from glassformer.model.gpt import GPT
from glassformer.parallel import Parallel
from glassformer.parallel.shards import whole
from glassformer.parallel.world import joined
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.system.torchrun import Launch

RECIPE = (
    "corpus=files", "tokenizer=char", "data.validation_fraction=0.2", "train.sampler=buckets", "train.sampler.multiple=8",
    "model.n_layer=2", "model.n_head=2", "model.n_embd=32", "model.context_length=32", "model.dropout=0",
    "train.steps=8", "train.micro_batch_size=3", "train.grad_accumulation=2", "train.precision=fp32", "train.ema=0.9",
    "train.eval_every=4", "train.eval_tokens=500", "train.sample_every=4", "train.checkpoint_every=4", "train.log_every=1",
    "train.schedule.warmup_steps=2", "train.optimizer.weight_decay=0.1", "train.snapshots=true", "sample.max_new_tokens=8",
)  # fmt: skip
MODELS = {
    "gpt2": ("model.bias=true", "model.position=learned", "model.norm=layernorm", "model.mlp=gelu"),
    "moe": ("model.mlp=moe",),
    "mamba": ("model.mixer=mamba",),
    "delta": ("model.mixer=gated_deltanet",),
    "relative": ("model.position=relative", "model.init=mup"),
    "ngram": ("model.embed=ngram", "model.head=pointer"),
    "multi_token": ("model.head=multi_token",),
}


def silent(line):
    """Nobody listens."""


def recipe_of(*settings):
    """A small model on the texts of this folder."""
    return Recipe().override(*RECIPE, f"corpus.path={Path('texts').resolve()}", *settings)


def watching(watch):
    return lambda steps, done: contextlib.nullcontext(watch)


def stopping(at, me=True):
    """A watch that asks this process to stop when it has made `at` steps."""

    def watch(line):
        if me and line["kind"] == "train" and line["step"] == at:
            os.kill(os.getpid(), signal.SIGTERM)

    return watch


def train(folder, world, *settings, watch=silent):
    recipe, folder = recipe_of(*settings), Path(folder)
    return launch.train(recipe, data_of(), folder, say=silent, watching=watching(watch), argv=[], world=world)


def go_on(folder, world, *settings, watch=silent):
    return launch.resume(
        Path(folder), say=silent, progress=lambda *told: None, watching=watching(watch), settings=settings, world=world
    )


ATTEMPTS = {name: number for number, name in enumerate(("two", "differ", "again", "four", "line", "dying", "absent"))}


def meet(rank, size, port, name, settings=None, seconds=60.0, **layout):
    """The world of process `rank` of `size`. Each name has its keys, as the attempts of a launch have."""
    started = Launch(rank, size, rank, size, "127.0.0.1", port, ATTEMPTS[name], True, "test")
    return joined(started, Parallel(**layout, timeout_minutes=seconds / 60), torch.device("cpu"), settings or {})


def said(act):
    """(kind of the error, its sentence, seconds)."""
    began = time.monotonic()
    try:
        act()
        return "nothing", "", time.monotonic() - began
    except (GlassError, SystemExit) as error:
        return type(error).__name__, str(error), time.monotonic() - began


# one process


def alone_first(rank, ports):
    """The undisturbed run, and the beginning of one that others go on with."""
    train("runs/whole", launch.ALONE)
    assert train("runs/chain", launch.ALONE, watch=stopping(2)) == "interrupted"
    return {
        "absent": said(lambda: meet(0, 2, ports["here"], "absent", seconds=2).__enter__()),
        "unreachable": said(lambda: meet(1, 2, ports["nobody"], "absent", seconds=2).__enter__()),
    }


def alone_last(rank, ports):
    """The end of the run that one, two and four processes have trained."""
    assert go_on("runs/chain", launch.ALONE, "parallel.pipeline=1") == "done"
    runs = {name: Run.open(Path("runs") / name) for name in ("whole", "chain")}
    lines = {name: run.metrics("train") for name, run in runs.items()}
    evaluations = {name: run.metrics("eval") for name, run in runs.items()}
    samples = {name: [sample["text"] for sample in run.samples()] for name, run in runs.items()}
    weights = {name: checkpoint.load(run.folder) for name, run in runs.items()}
    tensors = {
        name: {**saved.model().state_dict(), **saved.optimizer_tensors(), **saved.averages()}
        for name, saved in weights.items()
    }
    assert tensors["whole"].keys() == tensors["chain"].keys()
    return {
        "steps": [line["step"] for line in lines["chain"]],
        "loss": max(abs(a["loss"] - b["loss"]) for a, b in zip(*lines.values(), strict=True)),
        "norm": max(abs(a["grad_norm"] - b["grad_norm"]) for a, b in zip(*lines.values(), strict=True)),
        "held_out": max(abs(a["bpb"] - b["bpb"]) for a, b in zip(*evaluations.values(), strict=True)),
        "tokens": [[line["tokens"] for line in some] for some in lines.values()],
        "samples": list(samples.values()),
        "weights": max(float((w - tensors["chain"][name]).abs().max()) for name, w in tensors["whole"].items()),
        "snapshots": [sorted(path.name for path in (run.folder / "snapshots").iterdir()) for run in runs.values()],
        "resumed": [event["detail"] for event in runs["chain"].metrics("event") if event["what"] == "resume"],
    }


# two processes


def two(rank, ports):
    """They go on with the run, agree, disagree, and one of them dies."""
    found = {}
    with meet(rank, 2, ports["here"], "two") as world:
        watch = stopping(4, me=rank == 0)
        found["outcome"] = go_on("runs/chain", world, "parallel.data=0", watch=watch)
        found["told"] = world.told(lambda: [rank, "ä"])
        found["drawn"] = drawn(world)
        found["refused"] = [refused(world, *settings) for settings in REFUSED]
    found["differ"] = said(lambda: meet(rank, 2, ports["here"], "differ", {"train.steps": 7 + rank}).__enter__())
    with meet(rank, 2, ports["here"], "again") as world:
        found["told again"] = world.told(lambda: "again")
    return found


def dying(rank, ports):
    """The second process ends in the middle of a step; the first one says so, soon."""

    def act():
        with meet(rank, 2, ports["here"], "dying", seconds=30) as world:
            if rank == 1:
                torch.Tensor.backward = lambda *given, **named: os._exit(9)
            train("runs/dying", world)

    return said(act)


def data_of():
    return build.dataset(recipe_of(), lambda *told: None)


REFUSED = (
    ("model.mlp=moe", "train.grad_accumulation=1"), ("train.memory_gb=1",),
    ("train.micro_batch_size=1", "train.grad_accumulation=1"),
)  # fmt: skip


def refused(world, *settings):
    """The sentence with which such a recipe is refused."""
    return said(lambda: build.build(recipe_of(*settings), data_of(), silent, world=world))[1]


def drawn(world):
    """The models whose first weights, drawn in parts, are not those of one process."""
    wrong = []
    torch.set_default_dtype(torch.float32)
    ways = [(name, {"shard": True}) for name in MODELS]
    ways += [("gpt2", {"tensor": 2}), ("relative", {"tensor": 2}), ("moe", {"pipeline": 2})]
    for name, layout in ways:
        recipe = recipe_of(*MODELS[name], *(f"parallel.{key}={json.dumps(value)}" for key, value in layout.items()))
        config = build.sized(recipe, data_of()).model
        made = build.divided_first(recipe.model_copy(update={"model": config}), build.kernels.fused(), torch.device("cpu"),
                                   _divided(world, layout), None)  # fmt: skip
        assert made is not None, name
        expected = GPT(config, seed=recipe.train.seed).state_dict()
        found = {key: whole(value) for key, value in made[0].state_dict().items()}
        wrong += [f"{name} {layout}: {key}" for key in found if not torch.equal(found[key], expected[key])]
        assert len(found) == len(expected) or "pipeline" in layout
    torch.set_default_dtype(torch.float64)
    return wrong


def _divided(world, layout):
    """The same processes in a layout that divides the model."""
    from glassformer.parallel.mesh import Mesh
    from glassformer.parallel.world import World

    size = world.launch.size
    return World(world.launch, world.store, Mesh(Parallel(**layout).layout(size), "cpu"))


# four processes


def four(rank, ports):
    """They go on with the run in shards: two groups of two."""
    with meet(rank, 4, ports["here"], "four", shard=True, replicate=2) as world:
        watch = stopping(6, me=rank == 0)
        return go_on("runs/chain", world, "parallel.shard=true", "parallel.replicate=2", watch=watch)


def line(rank, ports):
    """Two stages of a pipeline go on with it."""
    with meet(rank, 2, ports["here"], "line", pipeline=2) as world:
        settings = ("parallel.shard=false", "parallel.replicate=1", "parallel.pipeline=2")
        return go_on("runs/chain", world, *settings, watch=stopping(7, me=rank == 0))


def process(rank, act, ports, folder):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    os.chdir(folder)
    try:
        found = act(rank, ports)
    except BaseException:
        traceback.print_exc()
        raise
    (folder / f"{act.__name__}-{rank}.json").write_text(json.dumps(found))


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def main(out, folder):
    (folder / "texts").mkdir(parents=True)
    for i in range(60):
        words = " ".join(str(i * k % 97) for k in range(2, 6 + i % 17))
        (folder / f"texts/{i}.txt").write_text(f"Note {i}: {words}.\n")
    os.chdir(folder)
    data_of()
    here = torch.distributed.TCPStore("127.0.0.1", 0, None, is_master=True, wait_for_workers=False)  # as torchrun has one
    ports = {"here": here.port, "nobody": free_port()}
    found = {}
    for act, size in ((alone_first, 1), (two, 2), (four, 4), (line, 2), (alone_last, 1), (dying, 2)):
        began = time.monotonic()
        given = (act, ports, folder)
        context = multiprocessing.start_processes(process, given, nprocs=size, join=False, start_method="fork")
        while act is not dying and not context.join():
            pass
        for one in context.processes:
            one.join()
        files = [folder / f"{act.__name__}-{rank}.json" for rank in range(size)]
        found[act.__name__] = [json.loads(file.read_text()) if file.exists() else None for file in files]
        found[act.__name__ + " seconds"] = round(time.monotonic() - began, 1)
    out.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        main(Path(sys.argv[1]).resolve(), Path(place).resolve() / "work")
