"""What `torchrun` has told this process: its number, how many there are, and where they meet.

`torchrun` starts the processes of a training on one machine or on many, and starts all of them again if one ends (with
--max-restarts). It speaks to them through environment variables. No torch is imported to read them.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Launch:
    """One process of a launch."""

    rank: int
    """Its number among all, from 0."""
    size: int
    """How many there are."""
    local_rank: int
    """Its number on its machine, from 0: the number of its GPU."""
    local_size: int
    """How many there are on its machine."""
    address: str
    """The host where they meet."""
    port: int
    attempt: int
    """How often they were started again, all of them."""
    has_agent: bool
    """Whether the meeting point is kept open by torchrun, or by the first process."""
    id: str
    """The same for all attempts of a launch, and another for every other launch."""


def launch() -> Launch | None:
    """What torchrun says; None for a process that it has not started."""
    said = os.environ
    if "RANK" not in said or "WORLD_SIZE" not in said:
        return None
    size = int(said["WORLD_SIZE"])
    return Launch(
        rank=int(said["RANK"]), size=size, local_rank=int(said.get("LOCAL_RANK", 0)),
        local_size=int(said.get("LOCAL_WORLD_SIZE", size)), address=said.get("MASTER_ADDR", "127.0.0.1"),
        port=int(said.get("MASTER_PORT", 29500)), attempt=int(said.get("TORCHELASTIC_RESTART_COUNT", 0)),
        has_agent=said.get("TORCHELASTIC_USE_AGENT_STORE") == "True", id=_id(),
    )  # fmt: skip


def is_first() -> bool:
    """Whether this process speaks for all: the first one, or one that torchrun has not started."""
    return os.environ.get("RANK", "0") == "0"


def speaks(said_for_all: bool) -> bool:
    """Whether this process says an error: where several start with the same mistake, the first one of each machine does."""
    return said_for_all or os.environ.get("LOCAL_RANK", "0") == "0"


def _id() -> str:
    """A job of SLURM keeps its number when it is put back into the queue; elsewhere the process of torchrun counts."""
    if job := os.environ.get("SLURM_JOB_ID"):
        return f"slurm {job}"
    named = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    parent = os.getppid()
    return f"torchrun {named} {parent} {_born(parent)}"


def _born(pid: int) -> str:
    """When a process began, in ticks since the machine did; "" where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
