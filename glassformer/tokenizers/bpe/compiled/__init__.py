"""The fast path of BPE: its steps as kernels over numpy arrays, compiled by numba.

| file | what it does | its plain twin |
|---|---|---|
| `scan.py` | cuts text into pieces | `Splitter` in `bpe/patterns.py` |
| `count.py` | counts the unique pieces | a `collections.Counter` |
| `learn.py`, `heap.py` | learns the merges | `plain_learn` in `bpe/__init__.py` |
| `encode.py`, `merge.py` | text to ids | `plain_encode` in `bpe/__init__.py` |
| `decode.py` | ids to bytes | `Tokenizer.decode_bytes` |

The files are imported inside functions, since numba takes a third of a second to import. `enough` says from how much
text that is worth it. Each kernel is called with one set of types only, so it is compiled once and never again.
"""

from glassformer.system import cache_folder

WAIT = {"in memory": 0.02, "on disk": 0.5, "nowhere": 5.0}
"""Seconds from deciding for a kernel until it works. Compiling takes about ten, once on a machine; it is charged less
than it costs, because later runs gain from it."""
IN_PYTHON = {"count": 2e6, "learn": 1e5, "encode": 1.5e6, "decode": 1.5e6}
"""What plain Python does in a second: bytes of text, for "learn" bytes of unique pieces, for "decode" ids."""


def enough(step: str) -> float:
    """From how many bytes (or ids) on the kernels of `step`, "count" say, are done sooner than plain Python."""
    return IN_PYTHON[step] * WAIT[cache_folder.state(f"{__name__}.{step}", f"_{step}")]
