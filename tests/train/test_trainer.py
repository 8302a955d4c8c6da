"""The training loop: the same run however it is cut, weighed right, and stopped before harm."""

import contextlib
import os
import re
import shutil
import signal
import threading

import pytest
import torch

from glassformer import kernels
from glassformer.data.growth import growing
from glassformer.errors import SettingError
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.recipes import build, launch, measure
from glassformer.runs import checkpoint
from glassformer.runs.run import Run, new_run
from glassformer.train.budget import Budget
from glassformer.train.doctor.diverged import Diverged
from glassformer.train.loss import Loss
from glassformer.train.ranks import ALONE
from glassformer.train.trainer import Trainer


def run(recipe, data, folder, watch=lambda line: None):
    """Train in `folder`; returns the outcome."""
    return launch.train(recipe, data, folder, say=lambda line: None, watching=watching(watch))


def watching(watch):
    return lambda steps, done: contextlib.nullcontext(watch)


def resume(folder, watch=lambda line: None):
    return launch.resume(folder, say=lambda line: None, progress=lambda *told: None, watching=watching(watch))


def weights(folder, step=None):
    path = checkpoint.newest(folder) if step is None else folder / "checkpoints" / f"{step:08d}"
    saved = checkpoint.load(path)
    return {**saved.model().state_dict(), **saved.optimizer_tensors()}


def assert_equal_bits(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


class Killed(BaseException):
    """Stands for a process that ends at once: nothing after it runs but what Python cannot avoid."""


@pytest.fixture(scope="module")
def undisturbed(workshop, recipe, tmp_path_factory):
    """The weights of the whole run."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workshop)
        assert run(recipe, build.dataset(recipe, lambda *told: None), folder) == "done"
    return folder


def test_it_learns_and_leaves_a_whole_run_folder(undisturbed, recipe):
    opened = Run.open(undisturbed)
    evaluations = opened.metrics("eval")
    assert [line["step"] for line in evaluations] == [0, 6, 12]
    assert evaluations[-1]["bpb"] < evaluations[0]["bpb"]
    assert len(opened.metrics("train")) == 12
    assert opened.metrics("train")[-1]["tokens"] == 12 * 8 * 32
    assert [sample["step"] for sample in opened.samples()] == [0, 6, 12]
    assert checkpoint.load(undisturbed).step == 12


@pytest.mark.parametrize("step", [1, 3, 4, 11])
def test_a_run_killed_at_any_step_resumes_to_the_same_bits(undisturbed, recipe, data, tmp_path, step):
    def kill(line):
        if line["kind"] == "train" and line["step"] == step:
            raise Killed

    with pytest.raises(Killed):
        run(recipe, data, tmp_path / "run", kill)
    assert resume(tmp_path / "run") == "done"
    assert_equal_bits(weights(tmp_path / "run"), weights(undisturbed))
    losses = [line["loss"] for line in Run.open(tmp_path / "run").metrics("train")]
    assert losses == [line["loss"] for line in Run.open(undisturbed).metrics("train")]


def test_a_run_killed_before_its_first_checkpoint_starts_again(undisturbed, recipe, data, tmp_path):
    def kill(line):
        raise Killed

    with pytest.raises(Killed):
        run(recipe, data, tmp_path / "run", kill)
    assert checkpoint.newest(tmp_path / "run") is None
    assert resume(tmp_path / "run") == "done"
    assert_equal_bits(weights(tmp_path / "run"), weights(undisturbed))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_cleanly(undisturbed, recipe, data, tmp_path, number):
    assert threading.current_thread() is threading.main_thread()

    def interrupt(line):
        if line["kind"] == "train" and line["step"] == 5:
            os.kill(os.getpid(), number)

    assert run(recipe, data, tmp_path / "run", interrupt) == "interrupted"
    assert checkpoint.load(tmp_path / "run").step == 5  # between two regular checkpoints
    assert resume(tmp_path / "run") == "done"
    assert_equal_bits(weights(tmp_path / "run"), weights(undisturbed))


def test_the_kernels_are_those_of_the_recipe_in_a_run_and_its_resume(recipe, data, tmp_path, monkeypatch):
    """Where FlexAttention cannot train, a sentence says so and the numbers are those of the chunked form."""
    short = recipe.override("model.mixer=sliding", "model.mixer.window=8", "train.steps=4", "model.dropout=0")
    for name in ("fused", "flexible"):
        assert run(short.override(f"train.kernels={name}"), data, tmp_path / name) == "done"
    assert_equal_bits(weights(tmp_path / "fused"), weights(tmp_path / "flexible"))

    used, said, built = [], [], GPT.__init__
    monkeypatch.setattr(GPT, "__init__", lambda self, config, maths=None, seed=0: (
        used.append(maths), built(self, config, maths, seed))[-1])  # fmt: skip
    shutil.rmtree(tmp_path / "flexible" / "checkpoints" / "00000004")
    launch.resume(tmp_path / "flexible", say=said.append, progress=lambda *told: None, watching=watching(print))
    assert used == [kernels.flexible()] and any("train.kernels=flexible changes nothing here" in line for line in said)


def test_a_complete_run_has_nothing_to_resume(undisturbed, data):
    before = weights(undisturbed)
    assert resume(undisturbed) == "done"
    assert_equal_bits(weights(undisturbed), before)


def trainer(recipe, data, folder, wrap=lambda model: model, loss=None, ranks=ALONE, batches=None, saved=None,
            watch=lambda line: None, **assignments):  # fmt: skip
    """A Trainer of the small village without dropout; with `saved`, a checkpoint, it goes on with the run in `folder`."""
    recipe = recipe.override(*(f"train.{name}={value}" for name, value in assignments.items()), "model.dropout=0",
                             f"model.vocab_size={data.index.vocab_size}")  # fmt: skip
    model = (saved.model() if saved else GPT(recipe.model, seed=3)).train()
    batches = batches or recipe.train.sampler.build(data.train, recipe.model.context_length, recipe.train.batch_size, 1)
    run = Run.open(folder) if saved else Run.create(folder, recipe.to_json(), {"command": "test"})
    made = Trainer(
        wrap(model), data.tokenizer, batches, lambda: iter([batches(0)]), recipe.train, run,
        recipe_json=recipe.to_json(), precision=assignments.get("precision", "fp32"), loss=loss, ranks=ranks, watch=watch,
    )  # fmt: skip
    if saved:
        made.restore(saved)
    return made


def test_accumulation_weighs_tokens_not_micro_batches(recipe, data, tmp_path):
    """Rows with few counted targets must not weigh as much as rows with many."""

    def uneven(batches):
        def of(step):
            batch = batches(step)
            targets = batch.targets.clone()
            targets[:4, 3:] = IGNORED
            return batch.having(targets=targets)

        return of

    steps = []
    for i, (micro, accumulation) in enumerate([(8, 1), (4, 2), (2, 4), (1, 8)]):
        made = trainer(recipe, data, tmp_path / str(i), micro_batch_size=micro, grad_accumulation=accumulation)
        made.batches = uneven(made.batches)
        loss, norm, _ = made.update(0)
        steps.append((loss, norm, made.inner.embed.weight.detach().clone()))
    for loss, norm, weight in steps[1:]:
        assert loss == pytest.approx(steps[0][0], rel=1e-5)
        assert norm == pytest.approx(steps[0][1], rel=1e-4)
        torch.testing.assert_close(weight, steps[0][2], atol=1e-4, rtol=1e-3)


def test_a_smaller_batch_takes_fewer_forward_passes_and_a_larger_one_goes_on_where_it_ended(recipe, data, tmp_path):
    """Batches of 8 rows, 4 at a time: the first steps read a quarter, half of a micro-batch, and then half, one of them."""
    recipe = recipe.override("train.batches=0.25:0.5,0.5:0.2", "train.steps=8")
    made = trainer(recipe, data, tmp_path / "run")
    sampler = recipe.train.sampler.build(data.train, 32, 8, 1)
    made.batches = growing(sampler, 8, recipe.train.growth(made.pace))
    seen = []

    class Watching(type(made.passes.loss)):
        def nats(self, model, batch):
            seen.append(batch.ids)
            return super().nats(model, batch)

    made.passes.loss = Watching()
    for step in range(8):
        made.gradients(step)
    assert [len(ids) for ids in seen] == [2] * 4 + [4] * 2 + [4, 4] * 2
    assert torch.equal(torch.cat(seen), torch.cat([sampler(batch).ids for batch in range(4)]))
    assert made.tokens == (4 * 2 + 2 * 4 + 2 * 8) * 32


def test_nan_stops_before_the_weights_are_touched_and_names_causes(recipe, data, tmp_path):
    class TurnsNan(Loss):
        def nats(self, model, batch):
            nats = model(batch.ids, targets=batch.targets)
            return nats * float("nan") if made.done == 4 else nats

    made = trainer(recipe, data, tmp_path / "run", loss=TurnsNan(), learning_rate=0.5)
    with pytest.raises(Diverged, match=r"step 4.*learning rate is too high.*train\.learning_rate.*00000003"):
        made.train()
    assert all(p.isfinite().all() for p in made.inner.parameters())
    assert checkpoint.load(tmp_path / "run").step == 3
    assert Run.open(tmp_path / "run").metrics("event")[-1]["what"] == "nan"


def test_fp16_skips_a_step_that_overflows_and_lowers_the_scale(recipe, data, tmp_path):
    made = trainer(recipe, data, tmp_path / "run", precision="fp16")
    made.precision.loss_scale.value = 2.0**120  # overflows float32 gradients
    before = made.inner.embed.weight.detach().clone()
    made.update(0)
    assert torch.equal(made.inner.embed.weight, before)
    assert made.precision.loss_scale.value == 2.0**119
    made.precision.loss_scale.value = 2.0**10
    loss, norm, _ = made.update(1)
    assert not torch.equal(made.inner.embed.weight, before)
    plain = trainer(recipe, data, tmp_path / "plain", precision="fp32")
    expected_loss, expected_norm, _ = plain.update(1)
    assert (loss, norm) == (pytest.approx(expected_loss, rel=0.01), pytest.approx(expected_norm, rel=0.05))


def test_bf16_follows_fp32(recipe, data, tmp_path):
    runs = [trainer(recipe, data, tmp_path / name, precision=name) for name in ("fp32", "bf16")]
    losses = [[made.update(step)[0] for step in range(6)] for made in runs]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_every_step_depends_on_its_number_alone(recipe, data, tmp_path):
    """Dropout and batches come from (seed, step), so what happened before cannot leak in."""
    made = trainer(recipe, data, tmp_path / "run")
    torch.manual_seed(0)
    first = made.update(7)[0]
    again = trainer(recipe, data, tmp_path / "again")
    torch.manual_seed(99)
    assert again.update(7)[0] == first


def test_a_run_fitted_into_minutes_keeps_the_warmup_asked_for_unless_it_is_most_of_the_run(recipe):
    def fitted(warmup):
        said: list[str] = []
        asked = recipe.override(f"train.schedule.warmup_steps={warmup}")
        cut = measure.fit(asked, Budget(24.0), 1.0, ["train.eval_every"], said.append)
        assert (cut.train.eval_every, cut.train.sample_every) == (asked.train.eval_every, 1 / 6)
        return cut.train.steps, cut.train.schedule.warmup_steps, len(said)

    assert fitted(2000) == (24, 2, 2) and fitted(12) == (24, 12, 1) and fitted("null") == (24, None, 1)


def test_a_signal_in_the_last_step_stops_whoever_called(undisturbed, recipe, data, tmp_path):
    def interrupt(line):
        if line["kind"] == "train" and line["step"] == recipe.train.steps:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(recipe, data, tmp_path / "run", interrupt)
    assert_equal_bits(weights(tmp_path / "run"), weights(undisturbed))
    assert resume(tmp_path / "run") == "done"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("B, T = x.shape", "ValueError: too many values to unpack (expected 2) (line 15 of mine.py: B, T = x.shape)"),
        ("x = x[..., 1:]", "RuntimeError"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_a_part_of_ones_own_that_cannot_take_a_step_leaves_no_run(recipe, data, tmp_path, spoil, said, precision):
    (tmp_path / "mine.py").write_text(f"""
from torch import nn
from glassformer.model.cache import KVCache
from glassformer.model.mixer import Mixer

class Mine(Mixer):
    def build(self, shapes, kernels):
        return Module(shapes)

class Module(nn.Module):
    def __init__(self, shapes):
        super().__init__()
        self.o_proj = nn.Linear(shapes.n_embd, shapes.n_embd)
    def forward(self, x, positions, cache=None):
        {spoil}
        return self.o_proj(x)
    def make_cache(self, rows, length):
        return KVCache(rows, length)
""")
    mine = recipe.override(f"model.mixer={tmp_path / 'mine.py'}", f"train.precision={precision}")
    with pytest.raises(SettingError, match=re.escape(said)) as raised:
        run(mine, data, tmp_path / "run")
    assert "glass check-variant" in str(raised.value) and not (tmp_path / "run").exists()


def test_our_own_mistakes_keep_their_traceback(recipe, data, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "choose", lambda *given: [][0])
    with pytest.raises(IndexError):
        run(recipe, data, tmp_path / "run")


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"),
                                   RuntimeError("DefaultCPUAllocator: can't allocate memory")])  # fmt: skip
def test_too_little_memory_is_a_sentence_with_remedies(recipe, data, tmp_path, monkeypatch, error):
    def fail(*given):
        raise error

    monkeypatch.setattr(measure, "choose", fail)
    with pytest.raises(SettingError, match="set train.memory_gb=auto"):
        run(recipe, data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["", ".", "/tmp/elsewhere", "../elsewhere", "a/../../b"])
def test_a_run_lies_below_runs(name):
    with pytest.raises(SettingError, match="below runs/"), new_run(name, "demo"):
        pass
