"""`report.html`: everything that a run has left behind, on one page that opens offline, on any screen and on paper.

`write_report` reads the run folder and nothing else, so it also works for a run that is still going on, was interrupted
or failed; what does not exist yet is left out. Every number on the page comes from the run's logs, and the same folder
always gives the same page. `curves.py` says what is drawn, and the template `report.html` is the page. `pages/` has the
charts, and the frame, style and script of every page.
"""

import itertools
import math
import statistics
from datetime import datetime
from pathlib import Path
from typing import Any

from glassformer.pages.chart import short
from glassformer.pages.dataset import SHOWN, sections
from glassformer.pages.frame import duration, homeless, render
from glassformer.runs.bands import Normal, normal
from glassformer.runs.curves import Row, curves, finite, points
from glassformer.runs.run import Run
from glassformer.system.blank_lines import without_blank_runs
from glassformer.system.command import on_a_page
from glassformer.system.files import write_atomic

MOST_SAMPLES = 8  # on a timeline, and of stories at the end


def write_report(run: Path, to: Path | None = None) -> Path:
    """Write `report.html` into the run folder, or the same page to `to`, and return its path. Raises GlassError if the
    folder holds no run."""
    opened = Run.open(run)
    path = to or opened.folder / "report.html"
    write_atomic(path, render(Path(__file__).with_name("report.html"), _page(opened)))
    return path


def _page(run: Run) -> dict[str, Any]:
    """The values that the template shows, by name."""
    train, evals, events, samples = run.metrics("train"), run.metrics("eval"), run.metrics("event"), run.samples()
    scores = {str(score.get("who")): score for score in run.metrics("score")}  # the last of each
    facts, recipe, events = homeless(run.facts()), homeless(run.recipe()), homeless(events)
    samples = [_sample(sample, evals) for sample in samples if isinstance(sample.get("text"), str)]
    stories = [sample for sample in samples if sample["step"] == samples[-1]["step"]]
    return {
        "name": run.name,
        "state": _state(events, train, recipe),
        "introduction": _introduction(facts),
        "tiles": _tiles(train, evals, facts),
        "findings": _findings(train, evals, scores),
        "validated": bool(evals),
        "doctor": _doctor(events),
        "charts": curves(train, evals, events, scores, recipe, _normal(recipe, facts, events)),
        "timelines": _timelines(samples),
        "stories": stories[:MOST_SAMPLES],
        "stories_left_out": len(stories[MOST_SAMPLES:]),
        "scores": _scores(scores),
        "dataset": sections(facts["dataset"] if isinstance(facts.get("dataset"), dict) else {}),
        "parts": _parts(facts),
        "command": _command(facts),
        "recipe": recipe,
        "events": _events(events),
        "version": facts.get("glassformer"),
    }


def _state(events: list[Row], train: list[Row], recipe: Row) -> Row:
    """How far the run is: a word for the headline, and an alarm if it stopped because a value was not a finite
    number."""
    turns = [event for event in events if event.get("what") in ("start", "resume", "interrupted", "nan", "done")]
    last = turns[-1] if turns else {"what": "start"}
    step, steps = train[-1]["step"] if train else 0, _dig(recipe, "train", "steps")
    steps = next((event.get("steps") for event in reversed(events) if event.get("what") == "plan"), steps)
    progress = f"step {step:,}" + (f" of {steps:,}" if isinstance(steps, int) else "")
    if last["what"] == "done":
        return {"word": "finished", "mood": "good", "alarm": None}
    if last["what"] == "nan":
        title = f"The run stopped at step {last['step']:,}: a value was not a finite number."
        return {"word": "stopped", "mood": "bad", "alarm": {"title": title, "detail": str(last.get("detail") or "")}}
    return {"word": ("interrupted, " if last["what"] == "interrupted" else "") + progress, "mood": "", "alarm": None}


def _source(source: Any) -> str:
    """What a person calls the corpus: its path, or else its name."""
    return str(source.get("path") or source.get("name")) if isinstance(source, dict) else str(source)


def _introduction(facts: Row) -> str:
    try:
        when = datetime.fromisoformat(str(facts["started"]))
        started = f"{when.day} {when:%B %Y, %H:%M}"
    except (KeyError, ValueError):
        started = facts.get("started")
    dataset, machine = facts.get("dataset") or {}, facts.get("machine") or {}
    precision = facts.get("precision")
    parts = [
        started and f"Started {started}",
        _dig(dataset, "source") and f"trained on {_source(dataset['source'])}",
        precision and f"in {_dig(precision, 'chosen') or precision}",
        machine and f"on {_dig(machine, 'gpu') or _dig(machine, 'cpu')}",
    ]
    return " · ".join(str(part) for part in parts if part)


def _tiles(train: list[Row], evals: list[Row], facts: Row) -> list[Row]:
    """The headline numbers, as far as they exist."""
    tiles = []
    for key, label, digits in (("loss", "validation loss", 4), ("bpb", "bits per byte", 3)):
        if found := points(evals, key):
            step, value = min(found, key=lambda point: (not math.isfinite(point.value), point.value))
            lowest = "" if step == found[-1].step else ", the lowest"
            tiles.append({"label": label, "value": f"{value:.{digits}f}", "note": f"at step {step:,}{lowest}"})
    for key, label, say in (("tokens", "tokens seen", short), ("seconds", "training time", duration)):
        if found := points(train, key):
            step, value = found[-1]
            note = f"{value:,}" if key == "tokens" else f"{step:,} steps"
            tiles.append({"label": label, "value": say(value), "note": note})
    if speeds := [value for _, value in points(train, "tokens_per_s") if math.isfinite(value)]:
        tiles.append({"label": "tokens per second", "value": short(round(statistics.median(speeds))), "note": "median"})
    if isinstance(parameters := facts.get("parameters"), int):
        tiles.append({"label": "parameters", "value": short(parameters), "note": f"{parameters:,}"})
    return tiles


def _findings(train: list[Row], evals: list[Row], scores: dict[str, Row]) -> list[str]:
    """Sentences on what the numbers show."""
    found = []
    ours, counted = (_dig(scores.get(who), "bpb") for who in ("model", "5-gram"))
    if ours and counted and math.isfinite(ours) and math.isfinite(counted):
        much = f"{1 - ours / counted:.0%} fewer than" if ours < counted else f"{ours / counted:.1f} times as many as"
        found.append(
            f"On unseen text the model needs {ours:.3f} bits per byte, {much} a 5-gram, which counts what follows each "
            f"four tokens ({counted:.3f})."
        )
    losses = [point for point in points(evals, "loss") if math.isfinite(point.value)]
    if losses and losses[-1].value > 1.01 * (best := min(losses, key=lambda point: point.value)).value:
        found.append(
            f"The lowest validation loss was {best.value:.4f} at step {best.step:,}. Since then it has risen to "
            f"{losses[-1].value:.4f}, because the model has begun to memorise its training text. The weights of the "
            "lowest loss are the ones that are used. More text, a smaller model, more dropout or fewer steps help."
        )
    return found


def _normal(recipe: Row, facts: Row, events: list[Row]) -> Normal:
    """What is known of the losses of runs like this one."""
    plans = [event.get("steps") for event in events if event.get("what") == "plan"]
    steps, dataset = plans[-1] if plans else _dig(recipe, "train", "steps"), facts.get("dataset")
    if not isinstance(steps, int) or not isinstance(dataset, dict):
        return Normal(None, None, "")
    return normal(recipe, dataset, steps)


def _doctor(events: list[Row]) -> list[Row]:
    """What the run doctor has found, each finding with the steps at which it was."""
    found: dict[str, Row] = {}
    for event in events:
        if event.get("what") == "doctor":
            name = str(event.get("name"))
            told = found.setdefault(name, {"name": name, "steps": [], "detail": str(event.get("detail") or "")})
            told["steps"].append(event["step"])
    return list(found.values())


def _sample(sample: Row, evals: list[Row]) -> Row:
    """A text as the page shows it: separated from its prompt, with the time and the bits per byte at that step."""
    prompt, text, seconds = str(sample.get("prompt") or ""), sample["text"], sample.get("seconds")
    before = [value for step, value in points(evals, "bpb") if step <= sample["step"]]
    return {
        "step": sample["step"],
        "prompt": prompt,
        "continuation": without_blank_runs(text.removeprefix(prompt)),
        "code": "\n    " in text,
        "after": duration(seconds) if finite(seconds) and seconds else "",
        "bpb": f"{before[-1]:.3f}" if before else "",
    }


def _timelines(samples: list[Row]) -> list[Row]:
    """For each prompt that was continued at more than one step: up to MOST_SAMPLES texts, closer together at the
    start."""
    timelines = []
    for prompt in dict.fromkeys(sample["prompt"] for sample in samples):
        same = [sample for sample in samples if sample["prompt"] == prompt]
        if len(same) > 1:
            ratio = (len(same) - 1) ** (1 / (MOST_SAMPLES - 2))
            spread = {0, *(round(ratio**power) for power in range(MOST_SAMPLES - 1))}
            chosen = range(len(same)) if len(same) <= MOST_SAMPLES else sorted(spread)
            shown = [same[index] for index in chosen]
            timelines.append({"prompt": prompt, "samples": shown, "left_out": len(same) - len(shown)})
    return timelines[:MOST_SAMPLES]


def _scores(scores: dict[str, Row]) -> list[Row]:
    order = {"model": 0, **{f"{k}-gram": 10 - k for k in range(1, 10)}, "untrained": 10}
    numbers = {"bpb": 3, "name_said": 2, "name_unsaid": 2, "sentences": 1, "claims": 1, "stories": 0}
    shares, kept = ("understood", "consistent", "complete", "right"), ("keeps_name", "keeps_look", "keeps_pronoun")
    return [
        {
            "who": who,
            **{key: f"{score[key]:.{n}f}" if finite(score.get(key)) else "–" for key, n in numbers.items()},
            "shares": [score[share] if finite(score.get(share)) else None for share in shares],
            "kept": [f"{score[each]:.0%}" if finite(score.get(each)) else "–" for each in kept],
            "copied": f"{score['copied']:.0%}" if finite(score.get("copied")) else "–",
        }
        for who, score in sorted(scores.items(), key=lambda item: (order.get(item[0], 11), item[0]))
    ]


def _parts(facts: Row) -> list[Row]:
    """The facts about dataset and machine. Facts that are unknown to this page are shown with the machine, not
    hidden."""
    elsewhere = ("dataset", "machine", "command", "argv")
    machine = {**(facts.get("machine") or {}), **{key: value for key, value in facts.items() if key not in elsewhere}}
    text = facts.get("dataset") or {}
    if _dig(text, "train", "tokens"):  # the tables of `dataset.py` show the others
        text = {key: value for key, value in text.items() if key not in SHOWN}
    parts = [
        {"title": "Text", "facts": text},
        {"title": "Machine and software", "facts": machine},
    ]
    return [part for part in parts if part["facts"]]


def _command(facts: Row) -> str:
    """The commands that make this run again, as a page writes them."""
    commit, argv = facts.get("git"), facts.get("argv")
    command = on_a_page(*argv) if isinstance(argv, list) else facts.get("command")
    return "\n".join(line for line in (commit and f"git checkout {commit}", command) if line)


def _events(events: list[Row]) -> list[Row]:
    """The history of the run, with each series of checkpoints on one line."""
    history = []
    for regular, group in itertools.groupby(events, key=lambda event: event.get("what") in ("checkpoint", "plan")):
        rows = list(group)
        if regular and len(rows) > 1:
            saved = [row for row in rows if row["what"] == "checkpoint"]
            plans = [row for row in rows if row["what"] == "plan"]
            rows = plans[-1:]
            if saved:
                detail = f"{len(saved)} saved, from step {saved[0]['step']:,} to step {saved[-1]['step']:,}"
                rows += [{"step": saved[-1]["step"], "what": "checkpoints", "detail": detail}]
        for row in rows:
            what = ": ".join(str(row[key]) for key in ("what", "name") if key in row)
            history.append({"step": row["step"], "what": what, "detail": row.get("detail", "")})
    return history


def _dig(value: Any, *keys: str) -> Any:
    """The value at nested keys; None if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
