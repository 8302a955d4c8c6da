"""Progress is a piecewise linear function of the step, and a decision changes nothing before it."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glassformer.data.pace import Pace

DECISIONS = st.lists(st.tuples(st.integers(1, 200), st.integers(1, 500)), max_size=6)


def decided(decisions):
    """A pace with these decisions, each so many steps after the one before and before the end."""
    pace = Pace.even(300)
    for after, left in decisions:
        step = min(pace.decided + after, pace.steps - 1)
        if step > pace.decided:
            pace = pace.then(pace.ending(step, step + left))
    return pace


@given(st.integers(1, 10**7), st.data())
def test_an_even_run_is_at_its_step_exactly(steps, data):
    pace, step = Pace.even(steps), data.draw(st.integers(0, steps))
    assert pace.position(step) == step and pace.progress(step) == step / steps
    every = data.draw(st.integers(1, 1000))
    assert pace.due(step, every) == (step % every == 0)
    assert pace.remaining(step, every) == sum(s % every == 0 for s in range(step + 1, steps)) if steps < 2000 else True


@given(DECISIONS)
def test_progress_grows_from_0_to_1_and_what_was_decided_stays(decisions):
    pace = decided(decisions)
    steps = np.arange(pace.steps + 1)
    progress = pace.position(steps) / pace.known(steps)
    assert progress[0] == 0 and progress[-1] == pytest.approx(1) and (np.diff(progress) > 0).all()
    np.testing.assert_array_equal([pace.position(step) for step in steps.tolist()], pace.position(steps))
    step = (pace.decided + pace.steps) // 2
    later = pace.then(pace.ending(step, step + 7)) if step > pace.decided else pace
    for before in range(0, step + 1, 7):
        if before < step:
            assert (later.position(before), later.known(before)) == (pace.position(before), pace.known(before))


@given(DECISIONS)
def test_the_log_gives_the_pace_back(decisions):
    events, pace = [{"what": "start"}], Pace.even(300)
    for after, left in decisions:
        step = min(pace.decided + after, pace.steps - 1)
        if step > pace.decided:
            legs = pace.ending(step, step + left)
            events.append({"what": "plan", "legs": json.loads(json.dumps(legs))})
            pace = pace.then(legs)
    assert Pace.logged(300, events) == pace


@example([(89, 40), (39, 100), (99, 24), (23, 40), (39, 367)], 0.5)  # much longer when it is nearly at its end
@given(DECISIONS, st.sampled_from([1 / 2, 1 / 3, 1 / 6, 0.2, 0.04, 0.3]))
def test_a_share_of_the_run_comes_equally_often_however_it_was_planned(decisions, share):
    pace = decided(decisions)
    due = [step for step in range(1, pace.steps) if pace.due(step, share)]
    assert len(due) <= round(1 / share + 0.499)
    assert pace.due(0, share)
    for step in (0, pace.steps // 3, pace.steps - 1):
        assert pace.remaining(step, share) >= sum(at > step for at in due)
    if pace == Pace.even(300):
        assert [pace.remaining(step, share) for step in (0, 299)] == [len(due), 0]
    assert not pace.due(5, 0) and pace.remaining(5, 0) == 0
