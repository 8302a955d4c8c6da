"""A rank that is killed under torchrun: the command goes on with the run that it began, by itself."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glassformer.runs import checkpoint

WORDS = (
    "train", "texts", "tokenizer=char", "model.n_layer=1", "model.n_head=2", "model.n_embd=16", "model.context_length=32",
    "model.dropout=0", "train.steps=100", "train.micro_batch_size=4", "train.precision=fp32", "train.eval_every=30",
    "train.eval_tokens=200", "train.sample_every=0", "train.checkpoint_every=5", "train.log_every=1", "parallel.shard=true",
)  # fmt: skip


def started(folder, name, restarts=0):
    """torchrun with two processes, which may be started again so many times."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", f"--max-restarts={restarts}"]
    return subprocess.Popen(
        [*command, "--standalone", "-m", "glassformer", *WORDS, "--name", name], cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def children(pid):
    """The processes that a process has started, oldest first."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == pid:
            found.append(int(path.parent.name))
    return sorted(found)


def kill_one(agent, log, which):
    """Wait until the run has made some steps more, then kill one of its processes."""
    before = log.read_text().count('"kind": "train"') if log.exists() else 0
    while agent.poll() is None:
        if log.exists() and log.read_text().count('"kind": "train"') >= before + 7:
            os.kill(children(agent.pid)[which], signal.SIGKILL)
            return
        time.sleep(0.02)
    raise AssertionError(agent.communicate()[0])


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the processes in /proc")
def test_a_killed_rank_goes_on_with_its_run(tmp_path):
    (tmp_path / "texts").mkdir()
    for i in range(40):
        (tmp_path / f"texts/{i}.txt").write_text(f"Note {i}: " + " ".join(str(i * k % 97) for k in range(2, 6 + i % 17)))
    whole = started(tmp_path, "whole")
    assert whole.communicate() and whole.returncode == 0

    cut, log = started(tmp_path, "cut", restarts=10), tmp_path / "runs/cut/metrics.jsonl"
    for which in (0, 1) * 5:
        kill_one(cut, log, which)
    output = cut.communicate()[0]
    assert cut.returncode == 0, output
    events = [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] == "event"]
    assert [event["what"] for event in events].count("resume") == 10 and events[-1]["what"] == "done"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir() if path.is_dir()) == ["cut", "whole"]
    runs = [checkpoint.load(tmp_path / "runs" / name) for name in ("whole", "cut")]
    weights = [{**saved.model().state_dict(), **saved.optimizer_tensors()} for saved in runs]
    for name, expected in weights[0].items():
        assert (weights[1][name] == expected).all(), name
    again = started(tmp_path, "cut")  # another launch begins no second run of that name
    output = again.communicate()[0]
    assert again.returncode != 0 and "runs/cut already holds a run" in output and output.count("already holds") == 1
