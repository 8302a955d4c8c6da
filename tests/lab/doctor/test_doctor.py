"""`glass doctor` finds a broken kernel, names the one that others are composed of, and tells how to do without it."""

from dataclasses import fields
from pathlib import Path

import pytest
import torch
from rich.console import Console

from glassformer import kernels
from glassformer.errors import SettingError
from glassformer.lab.doctor import machine, terminal, training
from glassformer.lab.doctor.cases import MADE
from glassformer.lab.doctor.kernels import Fault, faults, names, with_causes
from glassformer.recipes.build import kernels_of
from glassformer.recipes.presets import mini

CPU = torch.device("cpu")
PLAIN = kernels.plain()


def found(name, **broken):
    twins = {"plain": PLAIN, "fused": kernels.replace(kernels.fused(), **broken)}
    return list(faults(name, twins, CPU))


def test_every_formula_has_cases():
    assert list(MADE) == [field.name for field in fields(kernels.Kernels)] == names()


@pytest.mark.parametrize(
    "name", ["embedding", "softmax", "layer_norm", "attention", "dropout", "lion", "newton_schulz"]
)
def test_what_works_is_not_told(name):
    assert found(name) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_no_formula_of_ours_is_broken(name):
    assert found(name) == []


class WrongGradient(torch.autograd.Function):
    """ReLU whose gradient is a tenth too large."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.relu()

    @staticmethod
    def backward(ctx, g):
        return 1.1 * g * (ctx.saved_tensors[0] > 0)


@pytest.mark.parametrize(
    ("name", "wrong", "where", "what"),
    [
        ("softmax", lambda x, dim=-1: x.softmax(dim) * 1.01, "forward in fp64 at (1, 1)", "off by 0.01"),
        ("relu", WrongGradient.apply, "backward in fp64", "off by"),
        ("gelu", lambda x: PLAIN.gelu(x.half()).to(x.dtype), "forward in fp64", "off by"),
        ("silu", lambda x: x[..., :-1], "forward", "off by inf"),
        ("linear", lambda x, w, b: 1 / 0, "in fp64", "ZeroDivisionError"),
        ("rms_norm", lambda x, w, eps: x * w * float("nan"), "forward", "off by nan"),
        ("sgd", lambda w, g, m, **k: PLAIN.sgd(w, g, m, **(k | {"lr": 0.11})), "forward in fp64", "off by"),
        ("embedding", lambda ids, w: w[ids] if w.dtype != torch.bfloat16 else w[ids] * 1.5, "in bf16", "off by 0.5"),
    ],
)  # fmt: skip
def test_a_broken_kernel_is_named_with_its_place(name, wrong, where, what):
    (fault,) = found(name, **{name: wrong})
    assert (fault.name, fault.twin) == (name, "fused")
    assert where in fault.where and what in fault.what


def test_the_cause_is_the_innermost_broken_formula():
    parts = [Fault(name, "fused", "", "") for name in ("softmax", "attention", "sliding_window", "gelu")]
    causes = {fault.name: fault.because for fault in with_causes(parts)}
    assert causes == {"softmax": "", "attention": "softmax", "sliding_window": "softmax", "gelu": ""}


def test_a_broken_part_shows_in_whole_models_and_a_whole_one_does_not():
    broken, right = kernels.replace(kernels.fused(), rope=lambda q, k, *rest: (2 * q, k)), kernels.fused()
    first, same = next(training.checks(broken, CPU)), next(training.checks(right, CPU))
    assert first.state == "broken" and "should be" in first.said and same.state == "good"


@pytest.mark.slow
def test_whole_models_work():
    assert [check.state for check in training.checks(kernels.fused(), CPU)] == ["good"] * 4


def test_the_terminal_says_what_is_broken_and_how_to_do_without(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(terminal, "names", lambda: ["softmax", "attention"])
    monkeypatch.setattr(training, "checks", lambda maths, device: iter(()))
    broken = kernels.replace(kernels.fused(), softmax=lambda x, dim=-1: x.softmax(dim) * 1.01)
    assert not terminal.examine(Console(width=200), broken, tmp_path / "runs")
    out = capsys.readouterr().out
    assert "train.plain_kernels=softmax" in out and "it is composed of softmax, which is broken" in out
    assert "2 of 2 formulas are broken" in out and "GiB free" in out
    assert (
        terminal.examine(Console(width=200), None, tmp_path / "runs") and "Everything works." in capsys.readouterr().out
    )


def test_the_command_ends_with_1_where_something_is_broken(glass, monkeypatch):
    for works, code in ((True, 0), (False, 1)):
        monkeypatch.setattr(terminal, "examine", lambda *given, works=works: works)
        assert glass("doctor")[0] == code


def test_a_disk_that_cannot_be_written_is_broken_and_a_full_one_a_note(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "WRITTEN", machine.MIB)
    monkeypatch.setattr(machine, "SLOW_DISK", 0)
    assert [check.state for check in machine._disk(tmp_path)] == ["good"]
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: type("usage", (), {"free": 2**30})())
    assert next(iter(machine._disk(tmp_path))).state == "note"

    def refuse(**given):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    assert list(machine._disk(Path("/")))[-1].state == "broken"


def test_a_recipe_takes_the_plain_twin_of_a_formula_and_leaves_the_others():
    recipe = mini().override("train.plain_kernels=softmax,rope")
    chosen = kernels_of(recipe, CPU, print)
    assert (chosen.softmax, chosen.rope) == (PLAIN.softmax, PLAIN.rope)
    assert chosen.attention is kernels.fused().attention
    with pytest.raises(SettingError, match=r"train\.plain_kernels.*no formula 'sofmax'; did you mean 'softmax'"):
        mini().override("train.plain_kernels=sofmax")
