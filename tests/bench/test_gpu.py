"""`bench/gpu.py` where there is no GPU: it says so, and each stage runs through on tiny shapes on the CPU."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).parents[2] / "bench"
CPU = torch.device("cpu")


@pytest.fixture
def gpu(monkeypatch):
    """The script as a module; its folder is found first, as when it is started."""
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location("bench_gpu", BENCH / "gpu.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name in ("gpu_cases", "measure", "window"):
        sys.modules.pop(name, None)


def claims(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_without_a_gpu_it_is_one_sentence_and_code_2(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert gpu.main() == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "no CUDA device" in err


def test_the_stages_fit_into_nine_minutes(gpu):
    assert gpu.SECONDS.keys() == gpu.STAGES.keys() and sum(gpu.SECONDS.values()) < 9 * 60


@pytest.mark.parametrize("stage", ["decode", "sparse"])
def test_a_stage_runs_through_on_the_cpu(gpu, stage, capsys):
    gpu.STAGES[stage](CPU, True)
    assert len(claims(capsys.readouterr().out)) >= 3


@pytest.mark.slow
def test_a_wrong_kernel_is_found_and_the_others_are_still_checked(gpu, monkeypatch, capsys):
    from glassformer import kernels

    chosen = {name: case for name, case in gpu.cases(12).items() if name in ("relu", "rope", "silu")}
    monkeypatch.setattr(gpu, "cases", lambda n: chosen)
    monkeypatch.setattr(gpu, "variants_of", lambda annotation: ["full"])
    right = kernels.fused()
    broken = kernels.replace(right, relu=lambda x: x.clamp(min=1), silu=lambda x: 1 / 0)
    monkeypatch.setattr(kernels, "fused", lambda: broken)
    monkeypatch.setattr(kernels, "flexible", lambda: broken)
    with pytest.raises(gpu.Wrong, match=r"4 of \d+ paths: relu, fused.*silu, fused.*ZeroDivisionError"):
        gpu.correctness(CPU, True)
    out = capsys.readouterr().out
    assert "ok" in out and "WRONG" in out and "three steps of muon" in out


def test_a_stage_that_fails_or_hangs_is_reported_and_the_next_one_runs(gpu, monkeypatch, capfd):
    stand_in = (
        "import sys, time; stage = sys.argv[2]; print('ran', stage, flush=True)\n"
        "time.sleep(20 if stage == 'speed' else 0); sys.exit(stage == 'decode')"
    )
    true = gpu.subprocess.run

    def run(command, **more):
        return true([sys.executable, "-c", stand_in, *command[2:]], **more)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    monkeypatch.setattr(gpu, "SECONDS", dict.fromkeys(gpu.STAGES, 4))
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--device", "cpu", "--quick", "--stages", "speed", "decode", "sparse"])
    assert gpu.main() == 1
    out = capfd.readouterr().out
    assert "speed took over 4 s" in out and "decode failed with exit code 1" in out and "ran sparse" in out


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["correctness", "speed", "training"])
def test_a_longer_stage_runs_through_on_the_cpu(gpu, stage, capsys):
    gpu.STAGES[stage](CPU, True)
    assert claims(capsys.readouterr().out)
