"""A batch is divided so that it fits into memory, and nothing but rounding depends on how."""

import json
from dataclasses import replace

import pytest
import torch

from glassformer.errors import SettingError
from glassformer.recipes import build, division
from glassformer.recipes.division import Division, divided
from glassformer.recipes.measure import enough_memory
from glassformer.runs.run import Run
from glassformer.system import machine
from glassformer.train.memory import out_of_memory
from glassformer.train.passes import Passes

from ..train.conftest import data, recipe, workshop  # noqa: F401
from ..train.test_trainer import assert_equal_bits, resume, run, trainer, weights


@pytest.fixture
def parts(recipe, data):  # noqa: F811
    """A batch of 8 rows, asked for in one pass."""
    return build.build(recipe.override("train.micro_batch_size=8", "train.grad_accumulation=1"), data, lambda line: None)


def limited(parts, monkeypatch, limit, base=1.0, each=0.25, known=None):
    """`divided` on a machine where a step of n rows takes base + each * n GB; what was measured goes to `known`."""
    monkeypatch.setattr(division, "needed_gb", lambda parts, n: (known or []).append(n) or base + each * n)
    said: list[str] = []
    made, chosen = divided(replace(parts, recipe=parts.recipe.override(f"train.memory_gb={limit}")), said.append)
    return made.recipe.train, chosen, said


@pytest.mark.parametrize(("limit", "rows"), [(9, 8), (3.0, 8), (2.9, 4), (2.0, 4), (1.99, 2), (1.3, 1)])
def test_the_most_rows_that_fit_are_taken_and_the_batch_stays_whole(parts, monkeypatch, limit, rows):
    train, chosen, said = limited(parts, monkeypatch, limit)
    assert (train.micro_batch_size, train.grad_accumulation) == (chosen.rows, chosen.passes) == (rows, 8 // rows)
    assert f"{rows} rows in a pass, {8 // rows} passes" in said[0] and f"of {limit:.2f} GB, measured" in said[0]


def test_a_division_is_tried_before_it_is_taken(parts, monkeypatch):
    needs = {1: 1.0, 2: 1.1, 4: 9.0, 8: 1.5}  # not the straight line that 1 and 2 promise
    monkeypatch.setattr(division, "needed_gb", lambda parts, n: needs[n])
    asked = parts.recipe.override("train.memory_gb=1.45")
    assert divided(replace(parts, recipe=asked), lambda line: None)[0].recipe.train.micro_batch_size == 2


def test_what_does_not_fit_at_all_is_refused_with_remedies(parts, monkeypatch):
    with pytest.raises(SettingError, match=r"1\.25 GB even with one row.*memory_gb=1\.2.*checkpoint_activations=1"):
        limited(parts, monkeypatch, 1.2)


def test_without_a_limit_nothing_is_measured_or_changed(parts, monkeypatch):
    monkeypatch.setattr(division, "needed_gb", lambda *given: pytest.fail("measured"))
    assert divided(parts, pytest.fail) == (parts, None)


def test_a_real_measurement_leaves_the_model_as_it_was_and_the_run_records_the_choice(recipe, data, tmp_path):  # noqa: F811
    short = recipe.override("train.steps=1", "train.sample_every=0")
    assert run(short.override("train.memory_gb=auto"), data, tmp_path / "with") == "done"
    assert run(short, data, tmp_path / "without") == "done"
    assert_equal_bits(weights(tmp_path / "with"), weights(tmp_path / "without"))
    facts = Run.open(tmp_path / "with").facts()
    assert facts["division"]["rows"] == 4 and "GB, measured" in facts["division"]["why"]


def test_more_rows_are_measured_to_take_more(parts):
    parts = replace(parts, recipe=parts.recipe.override("train.optimizer=adamw"))
    batch = parts.batches(0)
    wide = replace(parts, batches=lambda step: replace_rows(batch, 256))
    used = torch.ones(1 << 13, 1 << 13)  # 256 MiB, which the process may keep when it is freed
    pieces = [row.clone() for row in used]
    del used, pieces
    one, many = (division.needed_gb(wide, rows) for rows in (1, 256))
    assert many > one + 0.01
    assert all(p.grad is None for p in parts.model.parameters())


def replace_rows(batch, n):
    return batch.having(ids=batch.ids[:1].repeat(n, 1), targets=batch.targets[:1].repeat(n, 1))


def test_every_division_gives_the_same_gradients(recipe, data, tmp_path):  # noqa: F811
    found = []
    for rows in (8, 4, 2, 1):
        divided = recipe.override(
            "model.dropout=0", f"train.micro_batch_size={rows}", f"train.grad_accumulation={8 // rows}"
        )
        made = trainer(divided, data, tmp_path / str(rows))
        loss = made.gradients(0)
        found.append((loss, {name: p.grad for name, p in made.inner.named_parameters()}))
    for loss, gradients in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-6)
        for name, gradient in gradients.items():
            assert (gradient - found[0][1][name]).abs().max() < 1e-6, name


# running out of memory while training


def scarce(monkeypatch, most):
    """Passes of over `most` rows fail as a GPU's do, from the second step on. Returns the rows of the passes tried."""
    true, tried = Passes._passes, []

    def passes(self, batch, step, pace, counted):
        rows = len(batch.ids) // self.count
        tried.append(rows)
        if step and rows > most:
            self.model(batch.ids, batch.targets).sum().backward()  # half of a step was made
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return true(self, batch, step, pace, counted)

    monkeypatch.setattr(Passes, "_passes", passes)
    return tried


def test_a_training_that_runs_out_of_memory_halves_its_passes_and_goes_on(recipe, data, tmp_path, monkeypatch):  # noqa: F811
    ample = trainer(recipe, data, tmp_path / "ample", memory_gb=50)
    expected = [ample.update(step)[0] for step in range(3)]
    tried = scarce(monkeypatch, most=1)
    made = trainer(recipe, data, tmp_path / "scarce", memory_gb=50)
    found = []
    for step in range(3):
        found.append(made.update(step)[0])
        made.done += 1
    assert tried == [4, 4, 2, 1, 1] and found == pytest.approx(expected, rel=1e-5)
    events = [e for e in Run.open(tmp_path / "scarce").metrics("event") if e["what"] == "divide"]
    assert [e["passes"] for e in events] == [4, 8]
    for name, weight in made.inner.named_parameters():
        torch.testing.assert_close(weight, ample.inner.get_parameter(name), atol=1e-3, rtol=0)
    unlimited = trainer(recipe, data, tmp_path / "unlimited")
    unlimited.done = 1
    with pytest.raises(torch.OutOfMemoryError):
        unlimited.update(1)


def test_a_resumed_run_goes_on_with_the_division_that_it_had(recipe, data, tmp_path, monkeypatch):  # noqa: F811
    asked = recipe.override("train.memory_gb=50", "train.steps=4", "train.checkpoint_every=2", "train.sample_every=0")
    monkeypatch.setattr(division, "needed_gb", lambda parts, n: 1.0)
    scarce(monkeypatch, most=2)

    def kill(line):
        if line["kind"] == "train" and line["step"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(asked, data, tmp_path / "cut", kill)
    run(asked, data, tmp_path / "whole")
    tried = scarce(monkeypatch, most=2)
    assert resume(tmp_path / "cut") == "done"
    assert tried == [2, 2], "the resumed run tried passes that had failed before"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_out_of_memory_is_said_with_the_remedy():
    with pytest.raises(SettingError, match=r"train\.memory_gb=auto"), enough_memory():
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_what_counts_as_out_of_memory():
    assert out_of_memory(torch.OutOfMemoryError("x")) and out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))
    assert not out_of_memory(RuntimeError("shape mismatch"))


# what the machine says


def test_free_memory_is_that_of_the_control_group_if_it_has_less(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CONTROL_GROUPS", tmp_path)
    free = machine.available_memory()
    assert free > 0
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert machine.available_memory() > 1e6, "a group without a limit has none"
    (tmp_path / "memory.max").write_text("5000\n")
    assert machine.available_memory() == 4000


def test_the_peak_can_begin_anew():
    before = machine.peak_memory()
    if before is None or not machine._status("VmHWM"):
        pytest.skip("only Linux says")
    large = bytearray(200 << 20)
    high = machine.peak_memory()
    del large
    machine.forget_peak_memory()
    assert high - machine.peak_memory() > 100 << 20 and machine.resident_memory() <= machine.peak_memory()


def test_a_division_is_plain_json():
    assert json.loads(json.dumps(vars(Division(2, 4, "why")))) == {"rows": 2, "passes": 4, "why": "why"}
