"""The weights of the lowest held-out loss are kept and used, a rising loss is told once, and patience ends (fault 20)."""

import itertools

import pytest

from glassformer.errors import GlassError, SettingError
from glassformer.recipes import extend
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.train import trainer as loop

from .test_trainer import Killed, assert_equal_bits, resume, run, watching, weights

FALLS_AND_RISES = [6.0, 5.0, 4.0, 4.1, 4.2, 4.3, 4.4, 4.5, 4.6]


@pytest.fixture
def rising(recipe):
    return recipe.override(
        "train.steps=8", "train.eval_every=1", "train.sample_every=0", "train.checkpoint_every=4",
        "train.keep_checkpoints=1", "train.optimizer=adamw", "train.grad_accumulation=1",
    )  # fmt: skip


@pytest.fixture
def held_out(monkeypatch):
    """The held-out loss at each step, in place of the real one."""

    def give(losses):
        def evaluate(model, batches, bytes_of, precision, loss, ranks):
            step = give.done()
            return {"loss": losses[min(step, len(losses) - 1)], "bpb": 1.0, "tokens": 1, "bytes": 1}

        made = loop.Trainer.__init__

        def remember(self, *args, **kwargs):
            made(self, *args, **kwargs)
            give.done = lambda: self.done

        monkeypatch.setattr(loop, "evaluate", evaluate)
        monkeypatch.setattr(loop.Trainer, "__init__", remember)

    return give


def kept(folder):
    return [int(path.name) for path in checkpoint.steps(folder / "checkpoints")]


def events(folder, what):
    return [event for event in Run.open(folder).metrics("event") if event["what"] == what]


def test_fault_20_the_best_checkpoint_is_kept_and_used_and_a_rising_loss_is_told_once(rising, data, tmp_path, held_out):
    held_out(FALLS_AND_RISES)
    assert run(rising, data, tmp_path / "run") == "done"
    assert kept(tmp_path / "run") == [2, 8]
    assert checkpoint.load(tmp_path / "run", checkpoint.best).step == 2 and checkpoint.load(tmp_path / "run").step == 8
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "00000008", checkpoint.best).step == 8
    assert checkpoint.used(tmp_path / "run").startswith("Using step 2 of 8, where the held-out loss was lowest")
    (told,) = events(tmp_path / "run", "memorising")
    assert told["step"] == 4 and "has risen to 4.200 from 4.000 at step 2" in told["detail"]


def test_without_a_rise_the_newest_is_the_best(rising, data, tmp_path, held_out):
    held_out([6.0, 5.0, 4.0, 3.5, 3.0, 2.0, 1.9, 1.8, 1.7])
    assert run(rising, data, tmp_path / "run") == "done"
    assert checkpoint.best(tmp_path / "run") == checkpoint.newest(tmp_path / "run")
    assert checkpoint.used(tmp_path / "run") == "" and not events(tmp_path / "run", "memorising")


def test_a_checkpoint_between_evaluations_is_the_best_while_the_loss_falls(rising, data, tmp_path, held_out):
    held_out([6.0, 5.0, 4.0, 3.5, 3.0])

    def kill(line):
        if line["kind"] == "train" and line["step"] == 7:
            raise Killed

    with pytest.raises(Killed):
        run(rising.override("train.eval_every=4", "train.checkpoint_every=6"), data, tmp_path / "run", kill)
    assert checkpoint.load(tmp_path / "run", checkpoint.best).step == 6


def test_fault_20_patience_ends_a_run_early_also_when_it_was_killed(rising, data, tmp_path, held_out):
    held_out(FALLS_AND_RISES)
    patient = rising.override("train.patience=3")
    assert run(patient, data, tmp_path / "whole") == "done"
    assert kept(tmp_path / "whole") == [2, 5]
    (done,) = events(tmp_path / "whole", "done")
    assert done["step"] == 5 and "3 evaluations in a row were not lower than at step 2" in done["detail"]

    def kill(line):
        if line["kind"] == "eval" and line["step"] == 5:
            raise Killed

    with pytest.raises(Killed):
        run(patient, data, tmp_path / "cut", kill)
    assert resume(tmp_path / "cut") == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))
    assert len(events(tmp_path / "cut", "memorising")) == len(events(tmp_path / "whole", "memorising")) == 1
    assert resume(tmp_path / "whole") == "done" and kept(tmp_path / "whole") == [2, 5]


def lengthen(folder, steps=None, minutes=None, watch=lambda line: None):
    said = []
    outcome = extend.extend(folder, steps, minutes, say=said.append, progress=lambda *told: None, watching=watching(watch))
    return outcome, " ".join(said)


def rates(folder):
    return {line["step"]: line["lr"] for line in Run.open(folder).metrics("train")}


def test_a_finished_run_is_extended_from_its_newest_checkpoint_and_resumes_so(rising, data, tmp_path, held_out):
    held_out(FALLS_AND_RISES)
    rising = rising.override("train.schedule.warmup_steps=3")
    for name in ("whole", "cut"):
        assert run(rising, data, tmp_path / name) == "done"
    outcome, said = lengthen(tmp_path / "whole", steps=20)
    assert outcome == "done" and "from step 8 to 20: the learning rate rises to" in said and "in 3 steps" in said
    found, peak = rates(tmp_path / "whole"), rising.train.learning_rate
    assert set(found) == set(range(1, 21)) and found[8] < 0.25 * peak
    assert found[9] < found[10] < found[11] < found[12] > found[13] > found[20] and found[20] < 0.1 * peak
    assert found[12] == pytest.approx(peak * rising.train.schedule.factor(11, 20))
    assert resume(tmp_path / "whole") == "done" and kept(tmp_path / "whole")[-1] == 20

    def kill(line):
        if line["kind"] == "train" and line["step"] == 14:
            raise Killed

    with pytest.raises(Killed):
        lengthen(tmp_path / "cut", steps=20, watch=kill)
    assert resume(tmp_path / "cut") == "done"
    assert_equal_bits(weights(tmp_path / "cut"), weights(tmp_path / "whole"))


def test_an_interrupted_run_goes_on_from_its_learning_rate(rising, data, tmp_path, held_out):
    held_out([6.0, 5.0, 4.0, 3.0, 2.0])

    def kill(line):
        if line["kind"] == "train" and line["step"] == 6:
            raise Killed

    with pytest.raises(Killed):
        run(rising, data, tmp_path / "run", kill)
    outcome, said = lengthen(tmp_path / "run", steps=12)
    assert outcome == "done" and "goes on from where it is" in said
    found = list(itertools.islice(rates(tmp_path / "run").values(), 2, None))
    assert len(found) == 10 and found == sorted(found, reverse=True)


def test_a_run_that_has_stopped_early_goes_on_when_it_is_extended(rising, data, tmp_path, held_out):
    held_out(FALLS_AND_RISES)
    assert run(rising.override("train.patience=3"), data, tmp_path / "run") == "done"
    assert lengthen(tmp_path / "run", steps=12)[0] == "done"
    assert kept(tmp_path / "run")[-1] == 8  # three more evaluations that were not lower


def test_extending_for_minutes_has_a_budget_from_here_on(rising, data, tmp_path, held_out):
    held_out([4.0])
    assert run(rising, data, tmp_path / "run") == "done"
    before = Run.open(tmp_path / "run").metrics("train")[-1]["seconds"]
    assert lengthen(tmp_path / "run", minutes=0.03)[0] == "done"
    after = Run.open(tmp_path / "run").metrics("train")[-1]
    plans = events(tmp_path / "run", "plan")
    assert after["step"] > 8 and plans[-1]["steps"] == after["step"]
    assert before + 1.7 < plans[0]["budget"]["seconds"] < before + 60


def test_what_cannot_be_extended_is_refused_in_a_sentence(rising, data, tmp_path, held_out):
    held_out([4.0])
    assert run(rising, data, tmp_path / "run") == "done"
    with pytest.raises(SettingError, match="has made 8 steps already; --steps is the number in all"):
        lengthen(tmp_path / "run", steps=8)
    with pytest.raises(SettingError, match="give --steps N"):
        lengthen(tmp_path / "run")
    Run.open(tmp_path / "run").log("event", 8, what="nan", detail="loss nan")
    with pytest.raises(GlassError, match="has diverged"):
        lengthen(tmp_path / "run", steps=20)
