"""The launch files: what they start, seen through a stand-in for torchrun that prints its words."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from glassformer.config import variants
from glassformer.corpora import Corpus
from glassformer.recipes.presets import presets

LAUNCH = Path(__file__).parents[1] / "launch"
COMMAND = r"(?:glass|glassformer|\.sh|\.sbatch) train ([\w./]+)|spot\.sh \w+ ([\w./]+)"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


@pytest.fixture
def start(tmp_path):
    """start(file, *words, **environment): the finished process, in a folder of its own."""
    torchrun = tmp_path / "torchrun"
    torchrun.write_text('#!/usr/bin/env bash\necho "$@"\n')
    torchrun.chmod(0o755)
    for name, says in (("scontrol", "echo node7; echo node8"), ("srun", '"$@"')):
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{says}\n")
        (tmp_path / name).chmod(0o755)

    def run(file: str, *words: str, **environment: str) -> subprocess.CompletedProcess:
        known = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TORCHRUN": str(torchrun), **environment}
        return subprocess.run(
            ["bash", LAUNCH / file, *words], cwd=tmp_path, env=known, capture_output=True, text=True, check=False
        )

    return run


def test_one_node_starts_a_process_for_each_gpu_or_as_many_as_are_said(start):
    said = start("one_node.sh", "train", "gpt2", "--name", "a b").stdout
    assert "--nproc-per-node auto" in said and said.endswith("-m glassformer train gpt2 --name a b\n")
    assert "--nproc-per-node 2 --max-restarts 0" in start("one_node.sh", "train", PROCESSES="2", RESTARTS="0").stdout


def test_many_nodes_need_to_know_how_many_and_where_they_meet(start):
    for missing, given in (("NODES=2", {"FIRST": "node1:1"}), ("FIRST=node1:29500", {"NODES": "2"})):
        refused = start("many_nodes.sh", "train", "gpt2", **given)
        assert refused.returncode and missing in refused.stderr and not refused.stdout
    said = start("many_nodes.sh", "train", "gpt2", NODES="2", FIRST="node1:29500").stdout
    assert "--nnodes 2" in said and "--rdzv-endpoint node1:29500" in said


def test_slurms_job_meets_at_its_first_node_and_keeps_its_number(start):
    job = {"SLURM_JOB_ID": "41", "SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_SUBMIT_DIR": "/clone"}
    said = start("slurm.sbatch", "train", "gpt2", **job).stdout
    assert "--nnodes 2" in said and "--rdzv-id 41 --rdzv-endpoint node7:20041" in said


def test_a_machine_that_comes_back_goes_on_with_its_run(start, tmp_path):
    assert start("spot.sh", "big", "gpt2").stdout.endswith("-m glassformer train gpt2 --name big\n")
    (tmp_path / "runs/big").mkdir(parents=True)
    (tmp_path / "runs/big/run.json").write_text("{}")
    assert start("spot.sh", "big", "gpt2").stdout.endswith("-m glassformer resume runs/big\n")
    assert "name of the run" in start("spot.sh").stderr


def test_what_the_documents_train_on_is_a_text_and_no_recipe():
    files = [*LAUNCH.iterdir(), *LAUNCH.parent.glob("docs/*.md"), LAUNCH.parent / "README.md"]
    texts = [word for path in files for words in re.findall(COMMAND, path.read_text(encoding="utf-8"))
             for word in words if word]  # fmt: skip
    assert len(texts) > 20
    assert not {*texts} & {*presets()} - {*variants(Corpus)}
