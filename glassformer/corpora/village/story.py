"""One story: its hero, its setting, its plots, and how it is told."""

from functools import cache
from random import Random
from typing import NamedTuple

from .lexicon import CHILDREN
from .plots import GRAMMAR, PLOTS
from .plots.opening import begin, between, end
from .stage import PLACE_LIST, Stage
from .teller import Event

VERSION = 1  # changes whenever the same seed would tell another story
HEROES = sorted(CHILDREN)
PLOT_LIST = sorted(PLOTS)
SHARE = 10  # one combination in so many is for validation


class Story(NamedTuple):
    """A story, and what the simulator knows about it."""

    text: str
    hero: str
    setting: str
    plots: tuple[str, ...]
    events: list[Event]


def belongs(hero: str, setting: str, plot: str) -> str:
    """The split that a combination of hero, setting and plot belongs to."""
    return "validation" if _mix(_number(f"{hero}/{setting}/{plot}")) % SHARE == 0 else "train"


@cache
def _plots_of(hero: str, setting: str, split: str) -> tuple[str, ...]:
    return tuple(plot for plot in PLOT_LIST if belongs(hero, setting, plot) == split)


def tell(seed: int, split: str, i: int) -> Story:
    """Story `i` of a split: a pure function of its arguments."""
    rng = Random(_mix(_mix(seed * 2 + (split == "validation")) + i))
    hero, setting, plots = _combination(rng, split)
    stage = Stage(rng, GRAMMAR, hero, setting)
    goal = 200 + rng.random() * 550
    begin(stage)
    told: list[str] = []
    for plot in plots:
        if told and stage.length > goal:
            break
        if told:
            stage.paragraph()
            between(stage)
        PLOTS[plot](stage)
        told.append(plot)
    end(stage, told)
    return Story(stage.finish(), hero, setting, tuple(told), stage.events)


def _combination(rng: Random, split: str) -> tuple[str, str, list[str]]:
    while True:
        hero = HEROES[int(rng.random() * len(HEROES))]
        setting = PLACE_LIST[int(rng.random() * len(PLACE_LIST))]
        plots = _plots_of(hero, setting, split)
        if plots:
            return hero, setting, rng.sample(plots, min(3, len(plots)))


def _number(text: str) -> int:
    n = 0
    for byte in text.encode():
        n = (n * 257 + byte) & 0xFFFFFFFFFFFFFFFF
    return n


def _mix(n: int) -> int:
    """splitmix64's finisher: nearby numbers become unrelated ones."""
    n = (n + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    n = ((n ^ (n >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    n = ((n ^ (n >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return n ^ (n >> 31)
