"""The world: the processes that `torchrun` has started find each other, agree that they train the same, and say so if not.

Most mistakes in a distributed training show as a hang: a process that never arrives, a setting that differs, a process that
has died while the others wait for its gradients. Here each of them is one sentence. The processes first meet at a store of
keys (torch's TCPStore), where everything but tensors is exchanged as JSON: nothing is pickled.
"""

import contextlib
import hashlib
import json
import os
import platform
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from glassformer.errors import GlassError, SettingError
from glassformer.parallel.config import Parallel
from glassformer.parallel.mesh import Mesh
from glassformer.system.torchrun import Launch

R = TypeVar("R")

LOST = re.compile(
    r"closed by peer|reset by peer|broken pipe|timed out|socket timeout|connection (was )?(closed|refused|reset)|"
    r"remote process exited|unhandled system error|communicator was aborted|failed to (recv|send)", re.IGNORECASE,
)  # fmt: skip
"""What the libraries that send tensors say when another process does not answer."""


PATIENCE = timedelta(days=2)
"""How long the others wait while the first process prepares a text; torchrun ends them if it dies."""


class LostProcess(GlassError):
    """Another process of the training has ended, or does not answer."""


class World:
    """This process among those of its launch. One that `torchrun` has not started is a world of its own."""

    def __init__(self, launch: Launch | None = None, store: Any = None, mesh: Mesh | None = None) -> None:
        self.launch, self.store, self.mesh, self._told = launch, store, mesh, 0

    @property
    def writes(self) -> bool:
        """Whether this process writes files and speaks for all."""
        return self.launch is None or self.launch.rank == 0

    def told(self, value: Callable[[], Any], wait: timedelta | None = None) -> Any:
        """What the process that writes gets from `value()`, made of JSON's types. Every process must call it. The others
        wait for it so long, or as long as they wait for each other."""
        if self.mesh is None:
            return value()
        self._told += 1
        key = f"told/{self._told}"
        if self.writes:
            found = value()
            self.store.set(key, json.dumps(found))
            return found
        if wait is not None:
            self.store.wait([key], wait)
        return json.loads(self.store.get(key))

    def first(self, work: Callable[[], R]) -> R:
        """`work()`, done by the process that writes before the others begin: they find on the disk what it has left."""
        if self.mesh is None:
            return work()
        found = work() if self.writes else None
        self.told(lambda: True, wait=PATIENCE)
        return found if self.writes else work()  # type: ignore[return-value]

    def device(self, device: torch.device) -> torch.device:
        """The device of this process, where all train on such a device. Raises SettingError."""
        return own_device(device, self.launch)

    def agree(self, what: str, facts: Mapping[str, Any]) -> None:
        """Compare facts that must be the same in every process. Raises SettingError, in all of them, that names the first
        that differs."""
        if self.mesh is not None:
            assert self.launch is not None
            agree(self.store, self.launch, what, facts)


ALONE = World()
"""One process, which torchrun has not started."""


def own_device(device: torch.device, launch: Launch | None) -> torch.device:
    """The device of this process: of the GPUs of a machine, each process takes its own. Raises SettingError."""
    if launch is None or launch.size == 1 or device.type == "cpu":
        return device
    if device.type != "cuda":
        raise SettingError(f"train.device={device.type} trains with one process only; use cpu or cuda under torchrun")
    if launch.local_rank >= torch.cuda.device_count():
        raise SettingError(
            f"torchrun has started {launch.local_size} processes on this machine, and PyTorch finds "
            f"{torch.cuda.device_count()} GPUs; start one process per GPU (--nproc-per-node {torch.cuda.device_count()}), "
            "or set train.device=cpu"
        )
    torch.cuda.set_device(launch.local_rank)
    return torch.device("cuda", launch.local_rank)


@contextlib.contextmanager
def joined(launch: Launch | None, config: Parallel, device: torch.device, settings: Mapping[str, Any]) -> Iterator[World]:
    """The world of a training, in which every process has arrived with the same `settings`.

    Raises SettingError for a layout that does not fit the number of processes, and for settings that differ; LostProcess
    for a process that does not arrive, or that is lost while the block runs.
    """
    layout = config.layout(launch.size if launch else 1)
    if launch is None or launch.size == 1:
        yield World(launch)
        return
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")  # of a view, which nothing here changes in place
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")  # torch's, of its own functions
    wait = timedelta(minutes=config.timeout_minutes)
    store = _store(launch, wait)
    with _said_once(store), _lost(config.timeout_minutes):
        agree(store, launch, "settings", {**settings, **_versions()})
        if launch.local_size == launch.size:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", store=distributed.PrefixStore("tensors", store),
            rank=launch.rank, world_size=launch.size, timeout=wait, device_id=device if device.type == "cuda" else None,
        )  # fmt: skip
        yield World(launch, store, Mesh(layout, device.type))
        distributed.destroy_process_group()


def _store(launch: Launch, wait: timedelta) -> Any:
    """Where the processes meet. Each attempt of a launch has keys of its own, for those of the last one are still there."""
    try:
        store = distributed.TCPStore(
            launch.address, launch.port, None, is_master=launch.rank == 0 and not launch.has_agent, timeout=wait,
            wait_for_workers=False, multi_tenant=True,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:  # torch's errors of the network are RuntimeErrors
        raise LostProcess(
            f"process {launch.rank} of {launch.size} cannot reach the meeting point {launch.address}:{launch.port} "
            f"({_first_line(error)}); check the address and port that torchrun was given (--master-addr and --master-port, "
            "or --rdzv-endpoint), and that no firewall is between the machines"
        ) from None
    return distributed.PrefixStore(f"glassformer/{launch.attempt}", store)


def agree(store: Any, launch: Launch, what: str, facts: Mapping[str, Any]) -> None:
    """Compare facts with those of the first process. Raises SettingError that names the first that differs, or LostProcess
    that names who has not arrived."""
    mine = json.dumps(facts, sort_keys=True, default=str)
    store.set(f"{what}/{launch.rank}", mine)
    if launch.rank == 0:
        store.set(f"{what}/verdict", json.dumps(_verdict(store, launch.size, what, json.loads(mine))))
    kind, sentence = json.loads(store.get(f"{what}/verdict"))
    if kind:
        raise (LostProcess if kind == "lost" else SettingError)(sentence)


def _verdict(store: Any, size: int, what: str, own: dict[str, Any]) -> tuple[str, str]:
    """("", "") if all have arrived with the same facts; else the kind of the error, and its sentence."""
    others: dict[int, dict[str, Any]] = {}
    missing = []
    for rank in range(1, size):
        try:
            others[rank] = json.loads(store.get(f"{what}/{rank}"))
        except RuntimeError:  # the first one has waited long enough for all
            missing += [r for r in range(rank, size) if not store.check([f"{what}/{r}"])]
            break
    if missing:
        named = ", ".join(map(str, missing[:8])) + (" and more" if missing[8:] else "")
        return "lost", (
            f"process {named} of {size} has not arrived; look at its output for the reason, and start all again "
            "(parallel.timeout_minutes is how long the others wait)"
        )
    for rank, theirs in others.items():
        for name in {**own, **theirs}:
            if own.get(name) != theirs.get(name):
                return "setting", (
                    f"process {rank} has {name}={json.dumps(theirs.get(name))} and process 0 has "
                    f"{json.dumps(own.get(name))}; start all processes with the same words, files and versions"
                )
    return "", ""


@contextlib.contextmanager
def _lost(minutes: float) -> Iterator[None]:
    """One sentence for what the libraries say when another process does not answer."""
    try:
        yield
    except RuntimeError as error:
        network = isinstance(error, distributed.DistNetworkError | distributed.DistStoreError)
        if not (network or LOST.search(str(error))):
            raise
        raise LostProcess(
            "another process of this training has ended, or has not answered for "
            f"{minutes:g} minutes (parallel.timeout_minutes); its own output says why. The checkpoints are kept: start the "
            "training again with `resume`, or begin it under `torchrun --max-restarts=3`, which goes on by itself"
        ) from error


@contextlib.contextmanager
def _said_once(store: Any) -> Iterator[None]:
    """An error that all processes raise is said by one of them; the others end without a word."""
    try:
        yield
    except GlassError as error:
        key = f"said/{hashlib.sha256(str(error).encode()).hexdigest()}"
        try:
            first = store.add(key, 1) == 1
        except RuntimeError:  # the meeting point has gone with the process that kept it
            first = True
        if not first:
            raise SystemExit(2) from error
        error.said_for_all = True
        raise


def _versions() -> dict[str, Any]:
    import glassformer

    return {"glassformer": glassformer.__version__, "torch": torch.__version__, "python": platform.python_version()}


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
