"""Dashboards: other tools in which a person watches runs. One file per tool; `train.watch` names them by their files.

The logs of the run are the source. A dashboard is handed every line that is there when it is opened, then each new one, so
it shows the whole run whenever it was switched on: from the first step, at a resume, or after the training (`glass
watch RUN --on tensorboard`). Steps that a resume repeats are shown once.

    train/loss, lr, grad_norm, tokens_per_s, ...    lines of kind train
    eval/loss, eval/bits_per_byte                   lines of kind eval
    score/model/bits_per_byte, ...                  what `glass eval` has measured
    sample                                          the texts that the model wrote

A dashboard that fails, because a network or a disk does, says so once; the training goes on without it.
"""

import abc
import contextlib
import importlib
import importlib.util
import inspect
import json
import logging
import pkgutil
import time
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

from glassformer.config import suggestion
from glassformer.errors import GlassError, SettingError
from glassformer.runs.run import Run, is_resume
from glassformer.runs.tail import PAUSE, Tail
from glassformer.system import extra
from glassformer.system.command import typed
from glassformer.system.files import write_atomic
from glassformer.system.lock import holder

log = logging.getLogger(__name__)
PROJECT = "glassformer"
"""The project that runs belong to, where a tool has projects and the user names none."""
LONG = {"bpb": "bits_per_byte"}
OF_AN_EVALUATION = ("tokens", "bytes", "seconds")
"""How much it has read and how long it took, which no curve needs."""
RARELY = 10.0
"""Seconds between two notes of how far a dashboard is. Each says how far it was at the one before: a tool that is killed
with us may not have written its last seconds, and to have them twice is better than to miss them."""


class Dashboard(abc.ABC):
    """One run in one tool. The constructor opens it for writing, and may raise anything: so may every method."""

    name: ClassVar[str]
    """The tool's name: that of the file, of the Python package and of the extra."""

    def __init_subclass__(cls) -> None:
        cls.name = cls.__module__.rpartition(".")[2]

    def __init__(self, run: Run):
        self.run = run
        self.memory = run.folder / f"{self.name}.json"

    def known(self) -> dict[str, Any]:
        """What `remember` has written; {} if nothing was."""
        try:
            known = json.loads(self.memory.read_text(encoding="utf-8"))
            return known if isinstance(known, dict) else {}
        except (OSError, ValueError):
            return {}

    def remember(self, **facts: Any) -> None:
        """Keep facts in the run folder, so that the next process goes on with the same record in the tool."""
        write_atomic(self.memory, json.dumps({**self.known(), **facts}) + "\n")

    @abc.abstractmethod
    def numbers(self, step: int, values: dict[str, float], time: float) -> None:
        """Show values at a step; `time` is when they were logged, in Unix seconds."""

    @abc.abstractmethod
    def sample(self, step: int, prompt: str, text: str, time: float) -> None:
        """Show a text that the model wrote, which begins with its prompt."""

    def forget(self, step: int) -> bool:
        """Take back what came after a step; False if the tool cannot: then repeated steps are not shown again."""
        return False

    def flush(self) -> None:  # noqa: B027 (most tools do so by themselves)
        """Let what was written be seen."""

    @abc.abstractmethod
    def close(self, failed: bool) -> None:
        """Finish writing; `failed` if the training has ended with an error."""


def names() -> list[str]:
    """The tools that there are: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def check(chosen: Sequence[str]) -> None:
    """Raises SettingError for a name that no tool has."""
    for name in chosen:
        if name not in names():
            raise SettingError(f"there is no dashboard '{name}'; {suggestion(name, names())}")


def available(chosen: Sequence[str]) -> None:
    """Raises MissingPackage for the first tool that is not installed."""
    for name in chosen:
        if importlib.util.find_spec(name) is None:
            raise extra.missing(f"watching a run on {name}", name, name)


def dashboard(name: str) -> type[Dashboard]:
    """The class of a tool."""
    module = importlib.import_module(f"{__name__}.{name}")
    made: list[Any] = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    return next(c for c in made if issubclass(c, Dashboard))


def values(line: dict[str, Any]) -> dict[str, float]:
    """The numbers of a line under the names that they have in every tool; {} for a line that is not shown.

    >>> values({"kind": "eval", "step": 250, "split": "validation", "loss": 2.5, "bpb": 0.9, "tokens": 65536})
    {'eval/loss': 2.5, 'eval/bits_per_byte': 0.9}
    """
    numbers = {
        key: value for key, value in line.items()
        if key not in ("step", "time") and isinstance(value, int | float) and not isinstance(value, bool)
    }  # fmt: skip
    match line["kind"]:
        case "train":
            return {"train/loss" if key == "loss" else key: value for key, value in numbers.items()}
        case "eval":
            return {
                f"eval/{LONG.get(key, key)}": value for key, value in numbers.items() if key not in OF_AN_EVALUATION
            }
        case "score":
            return {f"score/{line.get('who')}/{LONG.get(key, key)}": value for key, value in numbers.items()}
    return {}


def show(runs: Sequence[Run], on: str) -> None:
    """Hand runs to the tools that `on` names, with commas, and go on as long as one of them is in training.

    Raises SettingError for a tool that there is not, or that the training itself writes to; MissingPackage; and GlassError
    if a tool fails.
    """
    chosen = [name.strip() for name in on.split(",") if name.strip()]
    check(chosen)
    available(chosen)
    for run in runs:
        train = run.recipe().get("train")
        own = train.get("watch") or [] if isinstance(train, dict) else []
        if (twice := [name for name in chosen if name in own]) and holder(run.folder) is not None:
            raise SettingError(f"{run.folder} is in training, with train.watch={twice[0]}: it is shown there already")
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(Watch(run, chosen)) for run in runs]
        while any(watch.open and holder(watch.run.folder) is not None for watch in watches):
            time.sleep(PAUSE)
            for watch in watches:
                watch()
    if any(watch.lost for watch in watches):
        raise GlassError("not everything was shown; the sentence above says why, and the same command tries it again")


class Watch:
    """The dashboards of one run. As a context it opens and closes them; a call hands them what is new in the logs."""

    def __init__(self, run: Run, chosen: Sequence[str]):
        self.run, self.chosen, self.tail = run, chosen, Tail(run)
        self.open: dict[str, Dashboard] = {}
        self.sent: dict[str, dict[str, int]] = {}  # by tool: the last step of each kind of line that it has
        self.safe: dict[str, dict[str, int]] = {}  # the same at the last note
        self.lost: dict[str, str] = {}  # by tool: why it gets nothing any more
        self.noted = 0.0

    def __enter__(self) -> Self:
        for name in self.chosen:
            with self._guarded(name):
                self.open[name] = dashboard(name)(self.run)
                self.sent[name] = dict(self.open[name].known().get("sent", {}))
                self.safe[name] = dict(self.sent[name])
        self()
        return self

    def __exit__(self, kind: Any, *error: Any) -> None:
        for name in list(self.open):
            with self._guarded(name):
                shown = self.open.pop(name)
                shown.close(failed=kind is not None and issubclass(kind, Exception))
                self._note(shown, self.sent[name])

    def __call__(self) -> None:
        """Hand on the lines that were logged since the last call."""
        lines, due = self.tail.new() if self.open else [], time.monotonic() > self.noted + RARELY
        for name in list(self.open):
            with self._guarded(name):
                for line in lines:
                    self._show(self.open[name], line)
                self.open[name].flush()
                if due:
                    self._note(self.open[name], self.safe[name])
                    self.safe[name] = dict(self.sent[name])
        if due:
            self.noted = time.monotonic()

    def _show(self, shown: Dashboard, line: dict[str, Any]) -> None:
        """Hand one line to one tool, unless it has that step already."""
        sent, step, when = self.sent[shown.name], line["step"], line.get("time", 0.0)
        if is_resume(line) and any(last > step for last in sent.values()) and shown.forget(step):
            sent.update({key: min(last, step) for key, last in sent.items()})
        key = f"{line['kind']} {line.get('who') or line.get('prompt') or ''}".strip()
        if line["kind"] != "score" and step <= sent.get(key, -1):
            return
        if line["kind"] == "sample" and isinstance(line.get("text"), str):
            shown.sample(step, str(line.get("prompt") or ""), line["text"], when)
        elif numbers := values(line):
            shown.numbers(step, numbers, when)
        else:
            return
        sent[key] = step

    def _note(self, shown: Dashboard, sent: dict[str, int]) -> None:
        """Remember how far a tool is, if it goes on with the same record next time."""
        if shown.known():
            shown.remember(sent=sent)

    @contextlib.contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """A tool that fails is closed, and a sentence says so; nothing else is disturbed."""
        try:
            yield
        except Exception as error:
            self.open.pop(name, None)
            said = str(error).strip().splitlines()[:1]
            why = ": ".join([type(error).__name__, *said])
            self.lost[name] = why
            again = typed("watch", self.run.folder, "--on", name)
            log.warning(
                "%s gets no more of this run (%s); nothing else is affected, and `%s` shows it all later",
                name,
                why,
                again,
            )
