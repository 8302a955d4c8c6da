"""`glass doctor`: whether this machine computes rightly, and what it is."""

import sys

from glassformer.cli.terminal import console, suggest, typed


def doctor() -> None:
    """Check this machine: kernels, number formats, cores, memory, disk, GPU.

    In under a minute. Every formula is computed by both of its kernels and
    compared with float64; a broken one is named, with the setting that does
    without it. The exit code is 1 if something is broken.
    """
    from glassformer.lab.doctor.terminal import examine

    if not examine(console()):
        suggest((typed("train", "village", "train.plain_kernels=NAME"), "train without a broken kernel"))
        sys.exit(1)
    suggest((typed("plan"), "how long a training will take here, and what it needs"))
