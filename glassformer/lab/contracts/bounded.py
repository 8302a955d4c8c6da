"""Promises tested in another process, which is ended when one takes too long.

A part may hang in a way that no exception ends: an endless loop, or a kernel of torch that never returns. It may also take
the process with it. So one child process tests the promises in order, and tells when it begins a case and what it found.
When it is silent for `seconds`, it is killed, the promise is reported with the line where the child stood, and a new child
goes on with the next.
"""

import faulthandler
import multiprocessing
import re
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from glassformer.config.user_files import words_of_line
from glassformer.lab import contracts
from glassformer.lab.contracts import Part, Verdict

SECONDS = 60.0
"""How long one promise may take in one combination before it counts as hanging."""
MINUTES = 10.0
"""How long all promises of one part may take."""


def verdicts(part: Part, seconds: float = SECONDS, minutes: float = MINUTES) -> Iterator[Verdict]:
    """As `contracts.verdicts`, in bounded time."""
    promises, done, deadline = contracts.promises(part), 0, time.monotonic() + 60 * minutes
    basis = contracts.kind(part).BASIS
    while done < len(promises):
        for verdict in _child(part, done, seconds, deadline):
            yield verdict
            done += 1
        if done == len(promises):
            return
        if time.monotonic() > deadline:
            late = f"{minutes:g} minutes are over"
        elif done and promises[done - 1] in basis:  # it was the last thing that a child did, and it broke
            late = f'it asks for "{contracts.title(promises[done - 1])}" first'
        else:
            continue
        yield from (contracts.verdict(promise, unchecked=late) for promise in promises[done:])
        return


def _child(part: Part, first: int, seconds: float, deadline: float) -> Iterator[Verdict]:
    """The verdicts of one child from number `first` on; the last one says how it hung or died, if it did."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        stack, (receiver, sender) = Path(folder) / "stack", context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(part, first, seconds, str(stack), sender), daemon=True)
        process.start()
        sender.close()
        promises, done, started = contracts.promises(part), first, False
        try:
            while done < len(promises):
                left = min(seconds, deadline - time.monotonic())
                if not receiver.poll(max(0, left) + (0 if started else START)):
                    if time.monotonic() < deadline:
                        yield contracts.verdict(promises[done], _hung(part, seconds, stack))
                    return
                started = True
                if (verdict := receiver.recv()) is not None:
                    yield verdict
                    done += 1
        except EOFError:
            process.join(5)
            yield contracts.verdict(promises[done], _died(process.exitcode))
        finally:
            process.kill()
            process.join()


START = 30.0
"""Seconds that a child may take to start, which is mostly the import of torch."""


def _work(part: Part, first: int, seconds: float, stack: str, sender: Connection) -> None:
    """What the child does. Shortly before it is killed it writes down where it stands, whatever it is doing."""
    torch.set_num_threads(1)  # the models are tiny, and other programs may be running
    with open(stack, "w", encoding="utf-8") as file:

        def alive() -> None:
            file.truncate(0)
            faulthandler.dump_traceback_later(max(0.1, 0.9 * seconds), file=file)
            sender.send(None)

        for verdict in contracts.verdicts(part, first, alive):
            sender.send(verdict)
        faulthandler.cancel_dump_traceback_later()


def _hung(part: Part, seconds: float, stack: Path) -> str:
    """How a promise hung: where the child stood in the user's file, or else at all."""
    own = str(Path(part.path).resolve())
    said = stack.read_text(encoding="utf-8", errors="replace") if stack.exists() else ""
    frames = re.findall(r'^  File "(.*)", line (\d+) in', said, re.M)
    at = next(((path, line) for path, line in frames if str(Path(path).resolve()) == own), (frames or [("", "")])[0])
    where = f" at {words_of_line(at[0], int(at[1]))}" if at[0] else ""
    return f"no answer within {seconds:g} s{where}; it hangs or is too slow (--seconds waits longer)"


def _died(code: Any) -> str:
    return f"the process that tested it died ({'signal' if (code or 0) < 0 else 'exit code'} {abs(code or 0)})"
