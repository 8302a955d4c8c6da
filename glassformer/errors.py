"""Errors a user can cause. Each is one sentence: what was wrong, where, and the remedy.

The command line prints the sentence and exits with code 2; nothing else is caught there, so a bug still shows its
traceback. A mistake that only a programmer can make is an `assert`, never one of these.
"""

import errno


class GlassError(Exception):
    """Base of every error whose cause is input: a setting, a file, a folder, a machine."""

    said_for_all = False
    """Whether this process, of the several that `torchrun` has started, is the one that says it."""


class DiskError(GlassError):
    """A write that the system refused: the disk is full, the folder is read only.

    `what` is the file with the reason, `remedy` what a person can do, and `then` what to do after that.
    """

    def __init__(self, what: str, remedy: str, then: str = "run the command again"):
        super().__init__(f"{what}: {remedy}, and {then}. Nothing that was there before is lost.")
        self.what, self.remedy = what, remedy


class SettingError(GlassError):
    """A setting that does not exist, has the wrong type, or contradicts another."""


class CorpusError(GlassError):
    """A source of text that is missing, empty, or not text."""


class TokenizerError(GlassError):
    """A tokenizer file that is corrupt, or text that a tokenizer does not cover."""


class DatasetError(GlassError):
    """A prepared dataset that is missing, damaged, or too small for the recipe."""


class CheckpointError(GlassError):
    """A checkpoint that is missing, damaged, or made for another model."""


class LensError(GlassError):
    """A question to a model or a trace that it has no answer to, such as the attention pattern of a part without one."""


class MissingPackage(GlassError):
    """A package that only some commands need, and that is not installed; the sentence has the line that installs it.

    `extra` is the group of pyproject.toml with which the launcher installs it.
    """

    def __init__(self, sentence: str, extra: str):
        super().__init__(sentence)
        self.extra = extra


class Stopped(KeyboardInterrupt):
    """The user has stopped long work (Ctrl-C). The sentence says what is kept and how to go on; the exit code is 130."""


def remedy(error: OSError) -> str:
    """What a person can do where the system has refused to open or write a file."""
    remedies = {
        (errno.ENAMETOOLONG,): "choose a shorter name",
        (errno.ENOSPC, errno.EDQUOT): "free space there",
        (errno.EFBIG,): "raise the limit of the size of a file (ulimit -f)",
        (errno.EACCES, errno.EPERM, errno.EROFS): "change its permissions, or choose another place",
    }
    return next(
        (text for numbers, text in remedies.items() if error.errno in numbers), "check the path and the disk it is on"
    )
