"""Every layout computes what one process computes: tests/parallel/divided.py measures, once for all of them, and here
is what must hold."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("divided.py")
REFUSED = {  # end of the layout -> what the sentence must name
    "mamba, 2 processes: tensor=2": ["parallel.tensor=2", "Mamba", "model.mixer=full"],
    "mamba, 2 processes: context=2": ["parallel.context=2", "model.mixer=mamba", "model.mixer=full"],
    "linear, 2 processes: context=2": ["parallel.context=2", "model.mixer=linear", "parallel.tensor"],
    "multi, 2 processes: context=2": ["model.head=multi_token", "model.head=tied"],
    "sliding, 2 processes: pipeline=2": ["model.position=relative", "model.position=rope"],
    "pointer, 2 processes: pipeline=2": ["model.head=pointer", "model.head=tied"],
    "full, 2 processes: pipeline=2 schedule=interleaved1f1b": ["4 blocks", "model.n_layer=2", "set model.n_layer=4"],
    "deep, 2 processes: pipeline=2 schedule=dualpipev": ["4 micro-batches", "train.grad_accumulation=4"],
    "full, 4 processes: tensor=4": ["model.n_kv_head=2", "parallel.tensor=2"],
    "full, 4 processes: pipeline=2 context=2": ["parallel.context=1", "parallel.sequence=true"],
    "deep_moe, 2 processes: pipeline=2 schedule=zbvzerobubble; rows=2": ["model.mlp=moe", "model.mlp=swiglu"],
    "shard=True schedule=interleavedzerobubble; rows=1": ["parallel.schedule=interleaved1f1b", "parallel.shard=false"],
    "shard=True schedule=zbvzerobubble; rows=1": ["parallel.schedule=interleaved1f1b"],
    "shard=True schedule=dualpipev; rows=1": ["parallel.schedule=interleaved1f1b"],
}
"""Every other layout must work."""


@pytest.mark.parametrize(
    "models, count",
    [("full|mamba|moe|sliding", 31), pytest.param(".*", 72, marks=pytest.mark.slow)],
    ids=["four models", "all models"],
)
def test_layouts_agree_with_one_process(models, count, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    words = [sys.executable, SCRIPT, tmp_path / "found.json", f"^({models}), "]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert len(found) == count
    for layout, result in found.items():
        _check(layout, result)


def _check(layout, result):
    assert "failed" not in result, f"{layout}: {result['failed']}"
    expected = next((words for end, words in REFUSED.items() if layout.endswith(end)), None)
    if expected:
        assert all(word in result["refused"] for word in expected), (layout, result)
        return
    assert "refused" not in result, (layout, result)
    if "fault=" in layout:  # the comparison sees what is wrong
        wrong = result["norm"] if "local norm" in layout else result["loss"]
        assert wrong > 1e-6, layout
        return
    for what in ("loss", "norm", "weights", "evaluated", "generated"):
        assert result.get(what, 0) < 1e-12, (layout, what, result)
    if "every=1" not in layout:  # checkpointed blocks repeat some of their sums
        assert abs(result["sent"] - result["formula"]) < 1e-6, (layout, result)
