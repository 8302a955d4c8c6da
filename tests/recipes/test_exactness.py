"""What makes two runs the same, bit for bit: threads, algorithms, the division of a batch; and what is refused."""

import os

import pytest
import torch

from glassformer.errors import SettingError
from glassformer.recipes import exactness, launch
from glassformer.recipes.measure import Limit
from glassformer.recipes.presets import mini
from glassformer.runs import checkpoint
from glassformer.runs.run import Run

from ..train.conftest import data, recipe, workshop  # noqa: F401
from ..train.test_resume import killing
from ..train.test_trainer import Killed, assert_equal_bits, run, watching, weights

SHORT = ("train.steps=6", "train.sample_every=0", "train.eval_every=6", "model.dropout=0", "model.n_embd=64",
         "train.micro_batch_size=8", "train.grad_accumulation=1")  # fmt: skip


def resumed(folder, *settings):
    said = []
    told = {"say": said.append, "progress": lambda *told: None, "watching": watching(lambda line: None)}
    assert launch.resume(folder, settings=settings, **told) == "done"
    return " ".join(said)


def assert_alike(one, other):
    """The runs have read the same tokens, and their losses agree up to rounding."""
    lines = [Run.open(folder).metrics("train") for folder in (one, other)]
    assert [line["tokens"] for line in lines[0]] == [line["tokens"] for line in lines[1]]
    assert [line["loss"] for line in lines[0]] == pytest.approx([line["loss"] for line in lines[1]], rel=1e-4)


@pytest.fixture
def threads():
    """Sets the number of threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_a_deterministic_run_is_resumed_with_its_threads_and_others_say_what_differs(recipe, data, tmp_path, threads):  # noqa: F811
    plain = recipe.override(*SHORT)
    promised = plain.override("train.deterministic=true")
    threads(2)
    run(plain, data, tmp_path / "plain")
    run(promised, data, tmp_path / "whole")
    assert_equal_bits(weights(tmp_path / "whole"), weights(tmp_path / "plain"))  # on a CPU it costs nothing
    for name, kind in (("cut", promised), ("other", plain)):
        with pytest.raises(Killed):
            run(kind, data, tmp_path / name, killing(4))
    threads(1)
    assert "threads" not in resumed(tmp_path / "cut") and torch.get_num_threads() == 1
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert "the run began with threads 2 (now 1): it reads the same tokens" in resumed(tmp_path / "other")
    assert_alike(tmp_path / "other", tmp_path / "whole")


@pytest.mark.parametrize(
    ("settings", "minutes", "why"),
    [
        ([], True, "with --minutes the number of steps follows the clock; give train.steps"),
        (["train.precision=auto", "train.device=cpu"], False, "train.precision=auto times fp32 and bf16 on a CPU"),
        (["train.memory_gb=auto"], False, "train.memory_gb measures the memory"),
    ],
)
def test_what_follows_a_clock_is_refused_by_name(tmp_path, settings, minutes, why):
    asked = mini().override("train.precision=fp32", *settings)
    exactness.refuse(asked, minutes)
    with pytest.raises(SettingError, match=f"^train.deterministic=true: {why}"):
        launch.train(asked.override("train.deterministic=true"), None, tmp_path / "run", say=print,
                     watching=watching(print), limit=Limit(1, 0.0) if minutes else None)  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_an_operator_without_a_deterministic_algorithm_is_refused_by_name_before_there_is_a_run(
    recipe, data, tmp_path, monkeypatch  # noqa: F811
):  # fmt: skip
    def rehearse(parts, precision):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2))  # two values for one place

    monkeypatch.setattr(exactness, "rehearse", rehearse)
    with pytest.raises(SettingError, match="^train.deterministic=true: put_ has no deterministic algorithm in PyTorch"):
        run(recipe.override(*SHORT, "train.deterministic=true"), data, tmp_path / "run")
    assert not (tmp_path / "run").exists() and not torch.are_deterministic_algorithms_enabled()
    assert run(recipe.override(*SHORT, "train.steps=1"), data, tmp_path / "run") == "done"  # without the mode it may


def test_the_mode_is_on_inside_and_as_before_outside(threads, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    threads(1)
    with exactness.deterministic(mini().override("train.deterministic=true"), threads=2):
        assert torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 2
        assert os.environ.pop("CUBLAS_WORKSPACE_CONFIG") == ":4096:8"
    with exactness.deterministic(mini(), threads=2):
        assert torch.get_num_threads() == 1 and "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == 1


def test_a_resume_may_divide_the_batch_in_another_way_and_has_to_keep_it(recipe, data, tmp_path):  # noqa: F811
    """As on a machine with less memory."""
    run(recipe.override(*SHORT), data, tmp_path / "whole")
    with pytest.raises(Killed):
        run(recipe.override(*SHORT), data, tmp_path / "cut", killing(4))
    with pytest.raises(SettingError, match="times train.grad_accumulation=1 is another batch than the 8 sequences"):
        resumed(tmp_path / "cut", "train.micro_batch_size=2")
    resumed(tmp_path / "cut", "train.micro_batch_size=2", "train.grad_accumulation=4")
    assert_alike(tmp_path / "cut", tmp_path / "whole")
    divisions = [event["passes"] for event in Run.open(tmp_path / "cut").metrics("event") if event["what"] == "divide"]
    assert divisions == [4] and checkpoint.load(tmp_path / "cut").recipe["train"]["micro_batch_size"] == 2
