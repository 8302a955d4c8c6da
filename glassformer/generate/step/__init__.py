"""The decode step: what happens for one new token of one text, as one compiled function for a CPU.

A model of 124 million float32 weights reads 500 MB for every token that it writes, and that takes a CPU 10 ms. The module
loop takes three times as long: each of its some 250 PyTorch operators begins and ends alone, and waits for both cores.
Here the whole step is one function (`token.py`, which reads like the model itself), compiled by numba, on one or two
threads, over weights that lie where the model has them. With weights of 16, 8 or 4 bits it reads a half to a seventh.

    token.py       the step: norm, q k v, rotate, attend, project, norm, MLP, for each layer; then the head
    formulas.py    norm, rotate, attend and the activations, one small function each
    linear.py      y = W x for weights of 32, 16, 8 and 4 bits
    integers.py    16 rows times 32 whole numbers: by one instruction where the CPU has it (vnni.py), or written out
    threads.py     how the threads wait for each other
    records.py     where everything lies
    freeze.py      a model and its cache -> a Step;  `covers.py` says which models it can serve

The plain twin of the step is the model itself (`GPT.last` with a cache); those of its parts are in `kernels/`.

Importing this folder imports neither numba nor the compiled code; making a `Step` does.
"""

import logging
from typing import TYPE_CHECKING

from glassformer.model.cache import Cache
from glassformer.model.gpt import GPT
from glassformer.model.quantized import Tiled
from glassformer.system import cache_folder

if TYPE_CHECKING:
    from glassformer.generate.step.freeze import Step

COMPILED = "glassformer.generate.step.token"
"""The module of the compiled function, `step`."""
SECONDS = {"in memory": 0.0, "on disk": 1.0}
"""How long the compiled code would have to be waited for; where it is nowhere, some 20 seconds, once on a machine."""
PER_LAYER, PER_BYTE = 0.3e-3, 1 / 30e9
"""Seconds that the step saves: for each layer, whose operators need not be called, and for each byte of weights."""
LARGE = 80_000_000
"""Bytes of weights from which on compiling is worth the wait."""

log = logging.getLogger("glassformer")


def step_for(model: GPT, cache: Cache, n_new: int) -> "Step | None":
    """The step for slot 0 of this cache; None where the module loop should write about `n_new` tokens instead: the step
    cannot serve this model (the log says why, if the model is large or quantized), or making it ready takes longer than it
    saves."""
    from glassformer.generate.step.covers import uncovered

    tensors = [*model.parameters(), *model.buffers()]
    n_bytes, state = sum(t.nbytes for t in tensors), cache_folder.state(COMPILED, "step")
    saved = n_new * (len(model.blocks) * PER_LAYER + n_bytes * PER_BYTE)
    if model.device.type != "cpu" or (n_bytes < LARGE and (state == "nowhere" or saved < SECONDS[state])):
        return None
    if part := uncovered(model):
        if n_bytes >= LARGE or any(isinstance(module, Tiled) for module in model.modules()):
            log.info(f"each token is computed module by module: the compiled decode step does not cover {part}")
        return None
    from glassformer.generate.step.freeze import Step

    return Step(model, cache)
