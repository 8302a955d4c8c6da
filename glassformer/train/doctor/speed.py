"""Whether a run has become slow, and why: another program on the cores, memory that is swapped, or slow data.

    collapse   tokens a second below half of the median before, in three logged lines in a row
    waiting    a step waits for its batch for over 30 % of its time, in three logged lines in a row

The operating system says what this process got meanwhile: seconds of the processor per second of the clock, and page
faults that read from the disk. If it got as much as before and still became slow, the processor itself is slower (heat).
"""

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

from glassformer.system.threads import cores
from glassformer.train.doctor.finding import Finding

COLLAPSED, WAITING, IN_A_ROW = 0.5, 0.3, 3


@dataclass
class Used:
    """What the process has used so far."""

    clock: float
    cpu: float
    """Seconds of the processor, of all threads."""
    faults: int
    """Pages that were read from the disk because they were not in memory."""

    @classmethod
    def now(cls) -> "Used":
        return cls(time.perf_counter(), time.process_time(), _faults())

    def share(self, before: "Used") -> float:
        """Seconds of the processor per second since `before`."""
        return (self.cpu - before.cpu) / max(1e-9, self.clock - before.clock)


class Speed:
    """Takes in the logged lines."""

    def __init__(self) -> None:
        self.speeds: list[float] = []
        self.shares: list[float] = []
        self.slow = self.waits = 0
        self.used = Used.now()
        self.last: tuple[int, int] | None = None  # step and tokens of the line before

    def findings(self, step: int, line: dict[str, Any]) -> list[Finding]:
        """What a line of the kind "train" adds."""
        before, self.used = self.used, Used.now()
        share, speed = self.used.share(before), line["tokens_per_s"]
        usual = statistics.median(self.speeds[1:]) if len(self.speeds) > IN_A_ROW else None  # the first line warms up
        self.slow = self.slow + 1 if usual and speed < COLLAPSED * usual else 0
        if not self.slow:
            self.speeds.append(speed)
            self.shares.append(share)
        (step_before, tokens_before), self.last = self.last or (step, line["tokens"]), (step, line["tokens"])
        tokens_a_step = (line["tokens"] - tokens_before) / max(1, step - step_before)
        waited = line["data_seconds"] * speed / max(1.0, tokens_a_step)
        self.waits = self.waits + 1 if tokens_a_step and waited > WAITING else 0
        if self.waits >= IN_A_ROW:
            return [Finding(
                "waiting for data", f"{waited:.0%} of a step's time goes by until its batch is there",
                "the sampler or the disk is too slow: prepare the text on a local disk, and cut the sampler's work",
            )]  # fmt: skip
        if self.slow >= IN_A_ROW and usual:
            what = f"{speed:,.0f} tokens a second, and it were {usual:,.0f}"
            return [Finding("slower than before", what, self._why(share, self.used.faults - before.faults))]
        return []

    def _why(self, share: float, faults: int) -> str:
        if faults > 1000:
            return (
                f"memory is swapped to the disk ({faults:,} pages): end other programs, or lower train.micro_batch_size"
            )
        if share < 0.7 * statistics.median(self.shares):
            load = f" (load {os.getloadavg()[0]:.1f} on {cores()} cores)" if hasattr(os, "getloadavg") else ""
            return f"another program takes the cores{load}: end it, or see docs/doctor.md"
        return "the process gets its share of the cores, so they became slower themselves: heat, or saving of power"


def _faults() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt
