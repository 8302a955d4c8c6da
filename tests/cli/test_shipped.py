"""The models that come with the package: they are whole, small, and work anywhere without being changed."""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from glassformer.corpora.village import Village
from glassformer.errors import GlassError
from glassformer.lab.evaluate import judge
from glassformer.lab.pairs import CHANGES
from glassformer.lens.trace import next_tokens
from glassformer.recipes.presets import Recipe, named
from glassformer.runs import checkpoint, manifest, shipped, snapshots
from glassformer.runs.pack import pack
from glassformer.runs.run import Run
from glassformer.system.files import sha256

RIGHT = {"village-mini": 0.6, "village-stories": 0.9}
"""The share of stories that must be wholly right."""
PACKAGE = Path(shipped.__file__).parents[2]
NAMES = shipped.names()


def glass(*words: str, folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-m", "glassformer", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def contents() -> dict[Path, str]:
    return {path: sha256(path) for path in shipped.FOLDER.rglob("*") if path.is_file()}


def test_all_models_together_are_at_most_25_megabytes_and_what_they_were_before_18():
    sizes = {path: path.stat().st_size for path in contents()}
    before = sum(size for path, size in sizes.items() if snapshots.FOLDER in path.parts)
    assert sum(sizes.values()) - before <= 25e6 and before <= 18e6


@torch.no_grad()
def test_the_snapshots_of_village_mini_show_how_it_learned():
    """From the weights that its seed draws, without a network."""
    found = snapshots.steps(shipped.run_or_shipped("village-mini"))
    assert 0 in found and len(found) >= 5
    text = Village().story("validation", 0).text
    ids = torch.tensor([checkpoint.load(found[0]).tokenizer().encode(text)[:128]])
    losses = []
    for step, path in found.items():
        saved = checkpoint.load(path)
        model = saved.model()
        losses.append(float(model(ids, next_tokens(ids)).sum() / 127))
        assert saved.step == step and all((w.bfloat16().to(w.dtype) == w).all() for w in model.parameters() if step)
    assert abs(losses[0] - math.log(2048)) < 0.3 and losses == sorted(losses, reverse=True)
    assert shipped.run_or_shipped("village-mini/snapshots/step-0") == found[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_whole_in_bf16_and_made_by_its_recipe(name):
    saved = checkpoint.load(shipped.FOLDER / name, checkpoint.best)
    model, tokenizer, recipe = saved.model(), saved.tokenizer(), Recipe.parse(saved.recipe)
    assert model.config == named(name.replace("-", "_")).override(f"model.vocab_size={tokenizer.vocab_size}").model
    assert sum(p.numel() for p in model.parameters()) == Run.open(shipped.FOLDER / name).fact("parameters")
    assert (saved.folder / "model.safetensors").stat().st_size < 2.1 * sum(p.numel() for p in model.parameters())
    assert recipe.tokenizer.reserved == 16 and recipe.model.context_length == 512  # type: ignore[attr-defined]
    assert (shipped.FOLDER / name / "README.md").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_model_names_the_machine_that_made_it(name):
    facts = json.loads((shipped.FOLDER / name / "run.json").read_text())
    assert "machine" not in facts and not any(str(value).startswith("/") for value in facts.values())


@pytest.mark.skipif(not NAMES, reason="this copy comes without trained models")
def test_a_model_writes_in_an_empty_folder_and_stays_as_it_is(tmp_path):
    before = contents()
    done = glass("generate", NAMES[0], "One morning", "-s", "max_new_tokens=12", folder=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("One morning") and len(done.stdout) > 30, done.stderr
    unnamed = glass("generate", "-s", "max_new_tokens=12", folder=tmp_path)
    assert unnamed.returncode == 0 and len(unnamed.stdout) > 20, unnamed.stderr
    assert contents() == before and not list(tmp_path.iterdir())


@pytest.mark.skipif(not NAMES, reason="this copy comes without trained models")
@pytest.mark.slow
def test_a_model_is_ready_within_a_second():
    saved = checkpoint.load(shipped.FOLDER / NAMES[0], checkpoint.best)
    saved.model()  # imports
    started = time.perf_counter()
    saved = checkpoint.load(shipped.FOLDER / NAMES[0], checkpoint.best)
    saved.model(), saved.tokenizer()
    assert time.perf_counter() - started < 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_a_model_does_what_its_card_says(name, tmp_path, monkeypatch):
    """The weights that ship, in bf16, on held-out stories. Copies are looked for in the whole text that it has read."""
    monkeypatch.chdir(tmp_path)
    before = contents()
    found = judge(shipped.FOLDER / name, 100).rows["model"]
    assert min(found[change] for change in CHANGES) >= 0.9
    assert found["right"] >= RIGHT[name]
    card = (shipped.FOLDER / name / "README.md").read_text()
    assert f"| bits per byte | {found['bpb']:.3f} |" in card
    assert contents() == before


def test_a_folder_of_ones_own_comes_before_a_model_of_that_name(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path / "weights")
    (tmp_path / "weights" / "tiny").mkdir(parents=True)
    (tmp_path / "weights" / "tiny" / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert shipped.run_or_shipped("tiny") == tmp_path / "weights" / "tiny"
    assert shipped.is_shipped(tmp_path / "weights" / "tiny" / "checkpoints" / "00000001")
    assert shipped.called(tmp_path / "weights" / "tiny") == "tiny"
    (tmp_path / "tiny").mkdir()
    assert shipped.run_or_shipped("tiny") == Path("tiny") and not shipped.is_shipped(Path("tiny"))
    for no_run_is_named in (shipped.favourite, shipped.example):
        with pytest.raises(GlassError, match="without trained models"):
            no_run_is_named()


def test_the_best_model_writes_and_the_smallest_is_looked_into():
    """Documents and lessons name heads and places of the smallest."""
    assert shipped.favourite().name == "village-stories" and shipped.example().name == "village-mini"


def test_a_run_is_packed_with_its_weights_in_bf16_its_recipe_and_its_curve(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("glassformer.runs.pack.FOLDER", tmp_path)
    tiny = trained / "runs" / "tiny"
    final = pack(tiny)
    run, saved, before = Run.open(final), checkpoint.load(final), checkpoint.load(tiny, checkpoint.best)
    assert saved.step == before.step and run.metrics("eval") == Run.open(tiny).metrics("eval")
    weights, narrow = before.model().state_dict(), saved.model().state_dict()
    assert all((narrow[name] == value.bfloat16().to(value.dtype)).all() for name, value in weights.items())
    assert not {"machine", "argv", "git"} & run.facts().keys()
    assert pack(tiny) == final  # again, in place


def test_a_run_is_packed_with_snapshots_of_any_of_its_steps(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("glassformer.runs.pack.FOLDER", tmp_path / "weights")
    whole, run = trained / "runs" / "tiny", tmp_path / "tiny"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "00000000")
    final = pack(run, [0, 4], repeated=whole)
    first, second = snapshots.steps(final).values()
    assert not (first / "model.safetensors").exists()
    for path, name in ((first, "00000000"), (second, "00000004")):
        saved, before = checkpoint.load(path), checkpoint.load(whole / "checkpoints" / name)
        for key, value in before.model().state_dict().items():
            expected = value.bfloat16().to(value.dtype) if path == second else value
            assert torch.equal(saved.model().state_dict()[key], expected), key
        assert saved.state["tokens"] == before.state["tokens"] and saved.step == int(name)
    with pytest.raises(GlassError, match="has no weights of step 0; it kept 4"):
        pack(run, [0])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    changed = [line | {"loss": 1.0} if line["kind"] == "train" and line["step"] == 4 else line for line in lines]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in changed))
    with pytest.raises(GlassError, match="does not repeat .*tiny: their losses differ at step 4"):
        pack(run, [0], repeated=whole)
    assert list(snapshots.steps(final)) == [0, 4] and checkpoint.load(final).step == 4, "nothing was lost"


def test_a_snapshot_without_weights_and_without_a_whole_seed_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("glassformer.runs.pack.FOLDER", tmp_path)
    folder = snapshots.steps(pack(trained / "runs" / "tiny", [0]))[0]
    for seed in (None, "1337", 1.5):
        (folder / "state.json").write_text(json.dumps({"step": 0, "drawn_from": seed}))
        hashes = {path.name: sha256(path) for path in folder.iterdir() if path.name != "manifest.json"}
        (folder / "manifest.json").write_text(json.dumps({"format": manifest.FORMAT, "sha256": hashes}))
        with pytest.raises(GlassError, match=r"not a whole checkpoint \(KeyError: 'model.safetensors'\)"):
            checkpoint.load(folder)
