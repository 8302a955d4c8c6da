"""The curves of the report: which of the logged values are drawn, what each of them shows, and what is normal."""

from typing import Any, NamedTuple

from glassformer.pages.chart import Area, Line, Point, chart, drawable
from glassformer.runs.bands import Band, Normal
from glassformer.system.command import on_a_page

Row = dict[str, Any]


class Curve(NamedTuple):
    """A value of the lines of kind `train`, and how it is drawn."""

    title: str
    key: str
    meaning: str
    zero: bool = False
    """Whether its axis begins at 0."""
    log: bool = False


LOSS = (
    "How surprised the model is by the next token, in nats; lower is better. (On the log scale, equal distances are equal "
    "ratios.)"
)
BITS = (
    "The same surprise per byte of text instead of per token, so that models with different tokenizers can be compared."
)
LEARNING_RATE = Curve(
    "Learning rate", "lr",
    "How far each step moves the weights. Normal: a short warmup, then a slow decline, as the schedule says.", zero=True,
)  # fmt: skip
GRADIENT_NORM = Curve(
    "Gradient norm", "grad_norm",
    "The length of the gradient of all weights. Normal: high at first, then steady. Single spikes are harmless; if it "
    "keeps growing, the learning rate is too high.", log=True,
)  # fmt: skip
DEPTH = (
    "The length of the gradient in single blocks, before clipping. Normal: alike within a few times. If the first block's "
    "is far smaller, the loss hardly reaches it; if far larger, training may explode (`{}` tries remedies)."
)
MOST_BLOCKS = 4
"""Blocks whose gradients are drawn, from the first to the last."""
SPEED = Curve(
    "Tokens per second", "tokens_per_s",
    "The speed of training. Normal: constant, with dips at evaluations and checkpoints, or when other programs run on the "
    "machine.", zero=True,
)  # fmt: skip
MEMORY = Curve("Memory (GB)", "memory_gb", "Memory in use. Normal: constant after the first steps.", zero=True)


def curves(
    train: list[Row], evals: list[Row], events: list[Row], scores: dict[str, Row], recipe: Row, normal: Normal
) -> list[Row]:  # fmt: skip
    """The charts for which there are values. `scores` are by writer, the other lines as `Run.metrics` returns them; where
    `normal` has bands, they are drawn behind the losses."""
    last_step = max((row["step"] for row in train + evals), default=0)
    resumed = [event["step"] for event in events if event.get("what") == "resume" and event["step"] <= last_step]
    bpb = {who: score["bpb"] for who, score in scores.items() if who != "model" and finite(score.get("bpb"))}
    clip = next((value for key, value in (recipe.get("train") or {}).items() if "clip" in key and finite(value)), None)

    def both(key: str) -> list[Line]:
        return [
            Line("training", "train", points(train, key)),
            Line("validation", "validation", points(evals, key), dots=len(evals) <= 100),
        ]

    def plain(curve: Curve, more: str = "", references: dict[str, float] | None = None) -> Row | None:
        lines = [Line("", "plain", points(train, curve.key))]
        return chart(
            curve.title, curve.meaning + more, lines, last_step, references=references, resumed=resumed,
            zero=curve.zero, log=curve.log,
        )  # fmt: skip

    loss = (
        " Normal: a steep fall that becomes ever slower, with the loss on validation text, which is never trained on, "
        "close to the training loss. If validation rises while training falls, the model memorises."
    )
    others = (
        " Dashed lines: the untrained model and n-grams, which only count. A model that has learned something falls below "
        "all of them."
    )
    clipped = " Larger gradients are scaled down to the dashed line."
    charts = [
        chart("Loss", f"{LOSS}{loss} {normal.said}".strip(), both("loss"), last_step, log=True, resumed=resumed,
              areas=[*_area("train", normal.train, last_step), *_area("validation", normal.validation, last_step)]),
        chart(
            "Bits per byte", BITS + (others if bpb else ""), both("bpb"), last_step, references=bpb, log=True,
            resumed=resumed,
        ),
        plain(LEARNING_RATE),
        plain(GRADIENT_NORM, clipped if clip else "", {"clipped at": clip} if clip else None),
        chart("Gradient norm by depth", DEPTH.format(on_a_page("stability")), by_depth(train), last_step, log=True),
        plain(SPEED),
        plain(MEMORY),
    ]  # fmt: skip
    return [drawn for drawn in charts if drawn]


def by_depth(rows: list[Row]) -> list[Line]:
    """The gradient norms of up to MOST_BLOCKS blocks, spread from the first to the last."""
    rows = [row for row in rows if isinstance(row.get("block_norms"), list) and row["block_norms"]]
    n = min((len(row["block_norms"]) for row in rows), default=0)
    shown = sorted({round(i * (n - 1) / (MOST_BLOCKS - 1)) for i in range(MOST_BLOCKS)}) if n > 1 else []
    return [
        Line(f"block {block}", f"v{i}", [Point(row["step"], row["block_norms"][block]) for row in rows])
        for i, block in enumerate(shown)
    ]


def _area(style: str, band: Band | None, last_step: int) -> list[Area]:
    """The part of a band up to the last step, or nothing without one."""
    known = [] if band is None else [row for row in zip(*band) if row[0] <= last_step]
    return [Area(style, [Point(s, low) for s, low, _ in known], [Point(s, high) for s, _, high in known])] if known else []


def points(rows: list[Row], key: str) -> list[Point]:
    """The values of one key at the steps that have one."""
    return [Point(row["step"], row[key]) for row in rows if isinstance(row.get(key), (int, float))]


def finite(value: Any) -> bool:
    """Whether the value is a number that a chart can show."""
    return isinstance(value, (int, float)) and drawable(value)
