"""All plots. A plot is a function of a stage. Each module also holds the kinds of sentences that its plots use
(TEXT)."""

from ..grammar import Grammar
from . import animals, common, losing, making, opening, quarrels, roads, sharing, skies, speaking

MODULES = [animals, losing, making, quarrels, roads, sharing, skies]
PLOTS = {plot.__name__: plot for module in MODULES for plot in module.PLOTS}
GRAMMAR = Grammar([speaking.TEXT, *common.TEXTS, opening.TEXT, *(module.TEXT for module in MODULES)])
