"""What a ramp shows, in sentences that follow from its numbers."""

from glassformer.lab.find_lr import Findings

WORTH = (
    "This finds the order of magnitude and no more: it looks at a few hundred steps of an untrained model. Which of "
    "several rates ends lowest after a whole run, only whole runs can tell."
)


def rounded(rate: float) -> str:
    """A rate in the two digits that it is worth."""
    return f"{rate:.1e}".replace("e-0", "e-").replace("e+00", "")


def proposal(found: Findings) -> str:
    """The rate that is proposed and its rule; or why there is none."""
    if found.steepest is None or found.tenth is None:
        return (
            f"There is no rate to propose: between {rounded(found.rates[0])} and {rounded(found.rates[-1])} the loss does "
            f"not fall by more than its noise{'; it only rises' if found.diverged else ''}."
        )
    return (
        f"train.learning_rate={rounded(found.steepest)}: there the loss falls fastest. A tenth of the rate with the lowest "
        f"loss, the other usual rule, is {rounded(found.tenth)}."
    )


def remarks(found: Findings) -> list[str]:
    """What a reader should know about this ramp."""
    low, high, last = found.rates[0], found.rates[-1], len(found.losses) - 1
    if found.steepest is None or found.tenth is None:
        if found.diverged:
            return [f"Begin lower: --low {rounded(low / 1000)}."]
        return [
            f"Try a higher end (--high {rounded(high * 100)}), more --steps, or larger batches, which are less noisy."
        ]
    said = []
    if not found.diverged and found.lowest > 0.95 * last:
        said.append(f"The loss was still falling at the end of the ramp; --high {rounded(high * 10)} would show more.")
    apart = max(found.steepest / found.tenth, found.tenth / found.steepest)
    if apart > 5:
        said.append(f"The two rules are {apart:.0f} times apart, so take the smaller one, or try several.")
    return [*said, WORTH]
