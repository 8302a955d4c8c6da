"""`kill -9` at random moments, also during a save: the resumed run ends with the very bits of the undisturbed one."""

import random
import subprocess
import sys
import time

import pytest

from .test_trainer import assert_equal_bits, weights

SETTINGS = [
    "corpus.megabytes=0.2", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=400",
    "model.n_layer=2", "model.n_embd=64", "model.context_length=64", "model.dropout=0.1", "train.steps=80",
    "train.micro_batch_size=4", "train.precision=fp32", "train.eval_every=40", "train.eval_tokens=256",
    "train.sample_every=0", "train.checkpoint_every=1", "train.log_every=1",
]  # fmt: skip


def glass(*arguments, cwd, kill_after=None):
    """Run the command line in a process of its own; kill it after some seconds. Returns whether it finished."""
    command = [sys.executable, "-c", "from glassformer.cli import main; main()", *arguments]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        output, _ = process.communicate(timeout=kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    assert process.returncode == 0, output
    return True


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_kills_change_nothing(tmp_path):
    started = time.perf_counter()
    assert glass("train", "village", *SETTINGS, "--name", "whole", cwd=tmp_path)
    whole = time.perf_counter() - started
    dice = random.Random(0)
    kills = 0
    arguments = ["train", "village", *SETTINGS, "--name", "cut"]
    while kills < 20:
        # a process needs seconds to import torch; most kills fall into the steps and their saves, some before
        if glass(*arguments, cwd=tmp_path, kill_after=dice.uniform(0.3, 1.0) * min(whole, 12)):
            break
        kills += 1
        if (tmp_path / "runs/cut/run.json").exists():
            arguments = ["resume", "runs/cut"]
    assert kills >= 3
    assert glass("resume", "runs/cut", cwd=tmp_path)
    assert_equal_bits(weights(tmp_path / "runs/cut"), weights(tmp_path / "runs/whole"))
