"""The report's curves: which of the logged values are drawn, and one sentence on what each shows and what is normal."""

from typing import Any

from glassformer.pages.chart import Line, Point, chart, drawable

Row = dict[str, Any]


def curves(train: list[Row], evals: list[Row], events: list[Row], scores: dict[str, Row], recipe: Row) -> list[Row]:
    """The charts there are values for; `scores` by who, the other lines as `Run.metrics` gives them."""
    last_step = max((row["step"] for row in train + evals), default=0)
    resumed = [event["step"] for event in events if event.get("what") == "resume" and event["step"] <= last_step]
    bpb = {who: score["bpb"] for who, score in scores.items() if who != "model" and finite(score.get("bpb"))}
    clip = next((value for key, value in (recipe.get("train") or {}).items() if "clip" in key and finite(value)), None)

    def line(name: str, style: str, rows: list[Row], key: str) -> Line:
        return Line(name, style, points(rows, key), dots=style == "validation" and len(rows) <= 100)

    def plain(title: str, key: str, meaning: str, **options: Any) -> Row | None:
        return chart(title, meaning, [line("", "plain", train, key)], last_step, resumed=resumed, **options)

    charts = [
        chart(
            "Loss",
            "How surprised the model is by the next token, in nats (lower is better; on the log scale, equal heights "
            "are equal ratios). Normal: a steep fall, then an ever slower one, with validation (text it never trains "
            "on) close to training. Validation that rises while training falls means that it memorises.",
            [line("training", "train", train, "loss"), line("validation", "validation", evals, "loss")],
            last_step,
            log=True,
            resumed=resumed,
        ),
        chart(
            "Bits per byte",
            "The same surprise, per byte of text instead of per token, so that models with different tokenizers can be "
            "compared." + (" Dashed: what others reach; a model that learns falls below all of them." if bpb else ""),
            [line("training", "train", train, "bpb"), line("validation", "validation", evals, "bpb")],
            last_step,
            references=bpb,
            log=True,
            resumed=resumed,
        ),
        plain(
            "Learning rate",
            "lr",
            "How far each step moves the weights. Normal: a short warm-up, then a slow decline, as the schedule says.",
            zero=True,
        ),
        plain(
            "Gradient norm",
            "grad_norm",
            "How hard the loss pulls at all the weights together. Normal: high at first, then steady; lone spikes are "
            "harmless, a steady climb says the learning rate is too high."
            + (" Longer gradients are shortened to the dashed line." if clip else ""),
            references={"clipped at": clip} if clip else None,
            log=True,
        ),
        plain(
            "Tokens per second",
            "tokens_per_s",
            "How fast it trains. Normal: level; dips are evaluations, checkpoints, or another program on the machine.",
            zero=True,
        ),
        plain("Memory (GB)", "memory_gb", "Memory in use. Normal: level after the first steps.", zero=True),
    ]
    return [drawn for drawn in charts if drawn]


def points(rows: list[Row], key: str) -> list[Point]:
    """The values of one key over the steps, where there are any."""
    return [Point(row["step"], row[key]) for row in rows if isinstance(row.get(key), (int, float))]


def finite(value: Any) -> bool:
    """Whether the value is a number that can be drawn."""
    return isinstance(value, (int, float)) and drawable(value)
