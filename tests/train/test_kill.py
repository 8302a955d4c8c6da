"""`kill -9` at random moments, also during a save: the resumed run ends with the very bits of the undisturbed one."""

import random
import subprocess
import sys
import time

import pytest

from .test_trainer import assert_equal_bits, weights

SETTINGS = [
    "corpus.megabytes=0.2", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=400",
    "model.n_layer=2", "model.n_embd=64", "model.context_length=64", "model.dropout=0.1", "train.steps=400",
    "train.micro_batch_size=4", "train.precision=fp32", "train.eval_every=40", "train.eval_tokens=256",
    "train.sample_every=0", "train.checkpoint_every=1", "train.log_every=1",
]  # fmt: skip


def start(*arguments, cwd):
    """The command line in a process of its own."""
    command = [sys.executable, "-c", "from glassformer.cli import main; main()", *arguments]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    output, _ = process.communicate()
    assert process.returncode == 0, output


def kill_while_training(process, log, moment):
    """Let it log a line or more, wait `moment` seconds longer, kill it. False if it finished before that."""
    size = log.stat().st_size if log.exists() else 0
    while process.poll() is None and not (log.exists() and log.stat().st_size > size):
        time.sleep(0.002)
    time.sleep(moment)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_kills_change_nothing(tmp_path):
    finish(start("train", "village", *SETTINGS, "--name", "whole", cwd=tmp_path))
    generator, log, kills = random.Random(0), tmp_path / "runs/cut/metrics.jsonl", 0
    process = start("train", "village", *SETTINGS, "--name", "cut", cwd=tmp_path)
    while kills < 20 and kill_while_training(process, log, generator.uniform(0, 0.3)):
        kills += 1
        process = start("resume", "runs/cut", cwd=tmp_path)
    finish(process if process.poll() is None else start("resume", "runs/cut", cwd=tmp_path))
    assert kills == 20
    assert_equal_bits(weights(tmp_path / "runs/cut"), weights(tmp_path / "runs/whole"))
