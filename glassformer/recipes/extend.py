"""Extends a run: more steps, from its newest checkpoint, with a stated learning rate.

The learning rate of a finished run has come down. It goes back up, within a warmup, to where it would be at that step in a
run of the new length, and comes down again from there (re-warming and re-decaying: Ibrahim et al., 2024, "Simple and
scalable strategies to continually pre-train large language models"). A run that was interrupted goes on from its present
learning rate, evenly to the new end. A schedule that keeps its peak until a decay at the end (`wsd`) needs no second
warmup: the run goes on from the checkpoint before the decay, and what the decay made is moved to `finished/`. In every
case the extension is one more decision about the run's pace (data/pace.py), an event `plan`, so a run that is interrupted
after it resumes as any other.
"""

from pathlib import Path

from glassformer.data.pace import Leg, Pace
from glassformer.data.prepare import Progress
from glassformer.errors import GlassError, SettingError
from glassformer.recipes import launch
from glassformer.recipes.build import Say
from glassformer.recipes.presets import Recipe
from glassformer.recipes.recorded import done_at
from glassformer.runs import checkpoint
from glassformer.runs.retention import set_aside
from glassformer.runs.run import Run
from glassformer.system.lock import locked
from glassformer.train.budget import FIRST, Budget


def extend(
    folder: Path, steps: int | None, minutes: float | None, *, say: Say, progress: Progress, watching: launch.Watching
) -> str:  # fmt: skip
    """Train the run in `folder` on, to `steps` in all or for `minutes` more; returns "done" or "interrupted".

    With both, whichever comes first ends it. Raises SettingError, or GlassError for a run that cannot go on.
    """
    run, _ = launch.run_to_resume(folder)
    with locked(run.folder):
        _plan(run, steps, minutes, say)
        return launch.resume(run.folder, say=lambda line: None, progress=progress, watching=watching)


def _plan(run: Run, steps: int | None, minutes: float | None, say: Say) -> None:
    """Decide how the run goes on, and write the decision into its log."""
    folder = run.folder
    if any(event["what"] == "nan" for event in run.metrics("event")):
        raise GlassError(
            f"{folder} has diverged, and would do so again; train a new run with a lower train.learning_rate"
        )
    made, peak = checkpoint.load(folder).step, checkpoint.before_decay(folder)
    saved = checkpoint.load(peak or folder)
    budget, until = None, steps
    if minutes is not None:
        budget = Budget(saved.state["seconds"] + 60 * minutes, steps)
        a_step = saved.state["seconds"] / max(1, saved.step)
        fitting = saved.step + max(FIRST + 1, round(60 * minutes / max(a_step, 1e-6)))
        until = fitting if steps is None else min(steps, fitting)
    if until is None:
        raise SettingError(f"how far shall {folder} go on? give --steps N (in all) or --minutes M (more)")
    if (steps or until) <= made:
        raise SettingError(f"{folder} has made {made:,} steps already; --steps is the number in all, so give more")
    legs, how = _legs(run, saved.step, until) if peak is None else _legs_from_peak(run, saved.step, until)
    say(f"{folder} goes on from step {saved.step:,} to {until:,}" + (" or so" if minutes else "") + f": {how}")
    detail = f"extended to {until:,} steps"
    limits = budget and budget.limits()
    run.log("event", saved.step, what="plan", steps=until, legs=legs, budget=limits, detail=detail)


def _legs(run: Run, reached: int, steps: int) -> tuple[list[Leg], str]:
    """The pace from step `reached` to the new end, and what the learning rate does, in words."""
    recipe, events = Recipe.parse(run.recipe()), run.metrics("event")
    pace, schedule = Pace.logged(recipe.train.steps, events), recipe.train.schedule
    if done_at(events) is None and reached < pace.steps:
        return pace.ending(reached, steps), "the learning rate goes on from where it is to its end"
    top = min(reached + max(1, schedule.warmup(steps)), steps - 1)
    if top <= reached:
        return pace.ending(reached, steps), "one step at the learning rate of the end"
    rate = recipe.train.learning_rate * schedule.factor(top, steps)
    words = f"the learning rate rises to {rate:.2g} in {top - reached:,} steps, and then falls to its end"
    end = pace.progress(reached) * steps
    return [Leg(reached, end, top, top, steps), Leg(top, top, steps, steps, steps)], words


def _legs_from_peak(run: Run, reached: int, steps: int) -> tuple[list[Leg], str]:
    """The same from the checkpoint before the decay: the position stays between the warmup and the decay of a run of
    `steps`, where the learning rate is at its peak."""
    schedule = Recipe.parse(run.recipe()).train.schedule
    position = min(max(reached, schedule.warmup(steps)), schedule.decays_from(steps) or reached)
    words = "from before its decay, the learning rate stays at its peak until the decay at the new end"
    if _set_aside(run, reached):
        words += f"; the checkpoints of the decay are now in {run.folder / 'finished'}"
    return [Leg(reached, float(position), steps, float(steps), steps)], words


def _set_aside(run: Run, step: int) -> bool:
    """Move the checkpoints after `step` to `finished/`; returns whether there were any. A run that is killed within goes on
    from a checkpoint that is left, to the end that it had."""
    later = [path for path in checkpoint.steps(run.folder / "checkpoints") if int(path.name) > step]
    for path in reversed(later):
        set_aside(path, "finished")
    return bool(later)
