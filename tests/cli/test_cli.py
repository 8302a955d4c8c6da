"""The command line as a person meets it: what works, and one sentence with exit code 2 for everything that cannot."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .small import SMALL


def test_help_is_quick_and_names_every_verb():
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", "from glassformer.cli import main; main()", "--help"],
                          capture_output=True, text=True)  # fmt: skip
    seconds = time.perf_counter() - start
    assert done.returncode == 0
    verbs = "demo prepare train resume extend generate eval settings tokenize compare find-lr stability import report test"
    for verb in verbs.split():
        assert verb in done.stdout
    assert seconds < 2.5  # 0.4 s on a quiet machine; torch alone would take longer than this on a busy one


def test_no_verb_needs_torch_before_it_runs():
    code = "import sys; import glassformer.cli; sys.exit('torch' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_settings_shows_every_setting_with_its_variants(glass):
    code, out, _ = glass("settings")
    assert code == 0 and "mini" in out and "gpt2_xl" in out
    code, out, _ = glass("settings", "mini", "model.mixer=full", "train.steps=77")
    text = " ".join(out.split())
    assert code == 0 and "train.steps" in text and "77" in text and "train.optimizer.momentum" in text
    assert "model.position" in text and "learned" in text  # a variant that is not chosen is offered


def test_train_generate_eval_report(trained, glass, monkeypatch):
    monkeypatch.chdir(trained)
    run = trained / "runs/tiny"
    assert (run / "report.html").stat().st_size > 10_000
    assert json.loads((run / "recipe.json").read_text())["train"]["steps"] == 4
    code, out, _ = glass("generate", run, "One day", "-s", "temperature=0", "-s", "max_new_tokens=5")
    assert code == 0 and out.startswith("One day")
    assert glass("generate", run, "One day", "-s", "temperature=0", "-s", "max_new_tokens=5")[1] == out
    code, out, _ = glass("eval", run, "--stories", "2")
    assert code == 0 and "5-gram" in out and "untrained" in out and "bits per byte" in " ".join(out.split())
    code, out, _ = glass("plan", run, "train.micro_batch_size=4", "--json")
    planned = json.loads(out)["recipe"]
    stored = json.loads((run / "recipe.json").read_text())
    stored["train"]["micro_batch_size"] = 4
    assert code == 0 and planned["model"]["vocab_size"] and planned == stored
    assert glass("report", run)[0] == 0
    assert "untrained" in (run / "report.html").read_text()
    assert glass("resume", run)[0] == 0


def test_any_text_trains_with_the_same_code(glass, tmp_path):
    (tmp_path / "notes").mkdir()
    for i in range(30):
        (tmp_path / f"notes/{i}.md").write_text(f"# Note {i}\n\n" + f"The {i}th note says {i * i}. " * 40)
    code, out, _ = glass("train", "notes", *SMALL[3:], "--name", "n")
    assert code == 0 and "runs/n/report.html" in out
    code, out, _ = glass("train", "python", "corpus.megabytes=0.3", *SMALL[3:], "--name", "p")
    assert code == 0


def write(path, data):
    path.write_bytes(data)
    return path.name


BAD_SOURCES = {
    "missing": ("no-such-file.txt", "no-such-file.txt"),
    "empty": (lambda p: write(p / "empty.txt", b""), "empty"),
    "blank": (lambda p: write(p / "blank.txt", b"   \n\n \n"), "text"),
    "binary": (lambda p: write(p / "image.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x01" * 100), "image.png"),
    "not UTF-8": (lambda p: write(p / "noise.txt", b"caf\xff au lait\n" * 500), "UTF-8"),
    "short": (lambda p: write(p / "short.txt", b"Just one line.\n"), "context_length"),
    "misspelt": ("vilage", "village"),
}


@pytest.mark.parametrize("case", BAD_SOURCES)
def test_bad_text_is_one_sentence(glass, tmp_path, case):
    source, word = BAD_SOURCES[case]
    source = source(tmp_path) if callable(source) else source
    code, _, err = glass("train", source, *SMALL[3:])
    assert code == 2 and word in err and "Traceback" not in err and err.count("\n") <= 2, err
    assert not (tmp_path / "runs").exists()


BAD_WORDS = {
    "unknown setting": (["train", "village", "train.stepps=5"], "steps"),
    "unknown group": (["train", "village", "trian.steps=5"], "train"),
    "wrong type": (["train", "village", "train.steps=many"], "train.steps"),
    "out of range": (["train", "village", "model.dropout=1.5"], "dropout"),
    "contradiction": (["train", "village", "model.n_head=7"], "n_head=7"),
    "unknown variant": (["train", "village", "model.position=ropee"], "rope"),
    "no such variant file": (["train", "village", "model.mixer=./mine.py"], "mine.py"),
    "unknown recipe": (["train", "village", "-r", "minni"], "mini"),
    "a recipe for a text": (["train", "gpt2"], "--recipe gpt2"),
    "unknown verb": (["trane"], "train"),
    "no run": (["generate", "runs/none"], "runs/none"),
    "no run to plan": (["plan", "runs/none"], "runs/none"),
    "nothing to resume": (["resume", "runs/none"], "runs/none"),
    "no device": (["train", "village", "train.device=mps"], "mps"),
    "not a GPT-2 folder": (["import", "."], "config.json"),
    "bad sampling": (["generate", "RUN", "-s", "top_p=0"], "top_p"),
    "bad path": (["train", "a\0b"], "a"),
}


@pytest.mark.parametrize("case", BAD_WORDS)
def test_bad_words_are_one_sentence(glass, trained, case):
    words, expected = BAD_WORDS[case]
    code, out, err = glass(*(str(trained / "runs/tiny") if word == "RUN" else word for word in words))
    assert code == 2 and expected in err + out and "Traceback" not in err, (out, err)


def damage(checkpoint: Path, how: str) -> None:
    path = checkpoint / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data[: len(data) // 2] if how == "truncated" else data)


@pytest.fixture
def copied(trained, tmp_path):
    """A run of one's own and its checkpoints, from the oldest to the newest."""
    shutil.copytree(trained / "runs/tiny", tmp_path / "runs/tiny")
    shutil.copytree(trained / "data", tmp_path / "data")
    return tmp_path / "runs", sorted((tmp_path / "runs/tiny/checkpoints").iterdir())


@pytest.mark.parametrize("how", ["truncated", "flipped"])
@pytest.mark.parametrize("verb", ["generate", "resume", "eval"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(glass, copied, how, verb):
    runs, checkpoints = copied
    damage(checkpoints[-1], how)
    before = {p: p.read_bytes() for p in runs.rglob("*") if p.is_file()}
    code, out, err = glass(verb, "runs/tiny")
    assert code == 0 and "damaged" in out + err and "Traceback" not in err, (out, err)
    if verb == "resume":
        (kept,) = (runs / "tiny/damaged").iterdir()
        assert (kept / "model.safetensors").read_bytes() == before[checkpoints[-1] / "model.safetensors"]
    else:
        kept = {p: data for p, data in before.items() if "checkpoints" in p.parts}
        assert {p: p.read_bytes() for p in (runs / "tiny/checkpoints").rglob("*") if p.is_file()} == kept


@pytest.mark.parametrize("verb", ["generate", "resume", "eval"])
def test_without_a_whole_checkpoint_there_is_one_sentence_and_nothing_is_lost(glass, copied, verb):
    runs, checkpoints = copied
    for each in checkpoints:
        damage(each, "flipped")
    before = {p: p.read_bytes() for p in runs.rglob("*") if p.is_file()}
    code, _, err = glass(verb, "runs/tiny")
    assert code == 2 and "damaged" in err and "Traceback" not in err
    assert {p: p.read_bytes() for p in runs.rglob("*") if p.is_file()} == before


def test_a_run_is_never_overwritten(glass, trained, monkeypatch):
    monkeypatch.chdir(trained)
    before = (trained / "runs/tiny/metrics.jsonl").read_bytes()
    code, _, err = glass("train", "village", *SMALL, "--name", "tiny")
    assert code == 2 and "resume" in err
    assert (trained / "runs/tiny/metrics.jsonl").read_bytes() == before
