"""Promises of a schedule (`train.schedule`)."""

from glassformer.lab.contracts._alone import cases, label
from glassformer.recipes import rehearsal
from glassformer.train.schedule import Schedule

__all__ = ["BASIS", "PROMISES", "cases", "label"]

LENGTHS = (1, 2, 7, 100, 5000)


def places(steps: int) -> list[int]:
    """Steps of a run that are tried: the first and the last, and up to fifty between."""
    return sorted({0, 1, steps // 10, steps - 1, *range(0, steps, max(1, steps // 50))} & {*range(steps)})


def factor(schedule: Schedule, step: float, steps: int) -> float:
    """The factor. Raises SettingError or AssertionError if it is no share."""
    value = rehearsal.factor(schedule, step, steps)
    assert value <= 1 + 1e-9, (
        f"the factor at step {step} of {steps} is {value:.3g}: it is a share of train.learning_rate, so at most 1"
    )
    return value


def gives_a_share_of_the_peak(schedule: Schedule) -> None:
    """The factor is a finite number from 0 to 1 at every step of runs of 1 to 5,000 steps, and between two steps."""
    for steps in LENGTHS:
        for step in places(steps):
            factor(schedule, step, steps)
            factor(schedule, step + 0.5, steps)  # a run that ends on time stands between two


def trains_at_all(schedule: Schedule) -> None:
    """Some step of every run has a factor of a tenth or more."""
    for steps in LENGTHS:
        highest = max(factor(schedule, step, steps) for step in places(steps))
        assert highest >= 0.1, f"in a run of {steps} steps the factor is never above {highest:.3g}"


def stays_past_the_end(schedule: Schedule) -> None:
    """Past the last step the factor is that of the end, so that a run which is extended or measured goes on."""
    for steps in LENGTHS:
        last = factor(schedule, steps, steps)
        for beyond in (1, steps, 10 * steps):
            value = factor(schedule, steps + beyond, steps)
            assert value == last, f"at step {steps + beyond} of {steps} the factor is {value:.3g}, at the end {last:.3g}"


def depends_on_the_step_alone(schedule: Schedule) -> None:
    """Asked again in another order, each step has the same factor: a resumed run is the same run."""
    first = {step: factor(schedule, step, 100) for step in range(100)}
    for step in reversed(range(100)):
        again = factor(schedule, step, 100)
        assert again == first[step], f"the factor at step {step} of 100 was {first[step]:.3g} and then {again:.3g}"


def is_at_its_peak_until_its_decay(schedule: Schedule) -> None:
    """From the warmup to the step that `decays_from` names, if it names one, the factor is 1 whatever the length of the
    run: `glass extend` trains a run on from there."""
    for steps in LENGTHS:
        first, warmup = schedule.decays_from(steps), schedule.warmup(steps)
        if first is None:
            continue
        for step in places(steps):
            value = factor(schedule, step, steps)
            assert not warmup <= step <= first or abs(value - 1) < 1e-6, (
                f"the factor at step {step} of {steps} is {value:.3g}; decays_from says that it stays at 1 until {first:g}"
            )


BASIS = [gives_a_share_of_the_peak]
PROMISES = [trains_at_all, stays_past_the_end, depends_on_the_step_alone, is_at_its_peak_until_its_decay]
