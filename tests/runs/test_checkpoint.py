"""Checkpoints: exact, verified, and never half there."""

import json
import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from glassformer.errors import CheckpointError, GlassError
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.recipes.presets import mini
from glassformer.runs import checkpoint, manifest, weights
from glassformer.runs.manifest import Damaged
from glassformer.runs.retention import prune
from glassformer.runs.writing import contents, save
from glassformer.system.folders import remove
from glassformer.tokenizers import TokenizerRecipe
from glassformer.train.optimizer import Optimizer

CONFIG = GPTConfig(vocab_size=257, n_layer=1, n_embd=16, n_head=2, context_length=8)


@pytest.fixture
def tokenizer():
    return TokenizerRecipe.named("byte").train([])


@pytest.fixture
def saved(tmp_path, tokenizer):
    """The folder of one checkpoint, and the model in it."""
    model = GPT(CONFIG, seed=5)
    recipe = mini().model_copy(update={"model": CONFIG})
    state = {"step": 7, "tokens": 10, "seconds": 1.5}
    optimizer = Optimizer.named("adamw").build(model)
    return save(tmp_path / "checkpoints", contents(model, optimizer, state), recipe.to_json(), tokenizer), model


def test_what_is_saved_comes_back_exactly(saved, tokenizer):
    folder, model = saved
    back = checkpoint.load(folder)
    assert back.step == 7 and back.state["seconds"] == 1.5
    for name, tensor in back.model().state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    assert back.tokenizer().fingerprint() == tokenizer.fingerprint()
    names = {name for name, _ in model.named_parameters()}
    assert back.optimizer_tensors().keys() == {f"{name}/{key}" for name in names for key in ("mean", "square")}
    assert checkpoint.load(folder.parents[1]).folder == folder  # a run folder means its newest checkpoint


FILES = [
    "model.safetensors", "optimizer.safetensors", "optimizer.json", "state.json", "recipe.json", "tokenizer.json",
    "manifest.json",
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing", "empty"])
def test_damage_is_refused_with_the_remedy(saved, name, damage):
    folder, _ = saved
    data = bytearray((folder / name).read_bytes())
    if damage == "missing":
        (folder / name).unlink()
    else:
        data[len(data) // 2] ^= 0x10
        (folder / name).write_bytes({"truncated": data[: len(data) // 2], "flipped": data, "empty": b""}[damage])
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(folder.parents[1])
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("manifest", ["[]", "{}", '{"format": 1, "sha256": 3}', '{"format": 9, "sha256": {}}', "null",
                                      '{"format": 1, "sha256": {"../../secret": "0"}}'])  # fmt: skip
def test_a_hostile_manifest_is_refused(saved, manifest):
    folder, _ = saved
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(CheckpointError):
        checkpoint.load(folder)


def test_weights_of_another_model_are_refused_before_use(saved, tmp_path, tokenizer):
    _, model = saved
    for change, word in (({"n_embd": 32}, "shape"), ({"n_layer": 2}, "lacks"), ({"bias": True}, "lacks")):
        other = GPTConfig.parse({**CONFIG.model_dump(), **change})
        recipe = mini().model_copy(update={"model": other}).to_json()
        folder = save(tmp_path / "other", contents(model, None, {"step": 1}), recipe, tokenizer)
        with pytest.raises(CheckpointError, match=word):
            checkpoint.load(folder).model()


def test_a_full_disk_leaves_the_earlier_checkpoint(saved, tmp_path, tokenizer, monkeypatch):
    folder, model = saved

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(GlassError, match="No space left"):
        save(folder.parent, contents(model, None, {"step": 8}), "{}", tokenizer)
    assert checkpoint.load(folder.parents[1]).step == 7
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_prune_keeps_the_newest_and_sweeps_what_a_crash_left(saved):
    folder, _ = saved
    for step in (8, 9):
        shutil.copytree(folder, folder.with_name(f"{step:08d}"))
    folder.with_name(".00000010.preparing").mkdir()
    prune(folder.parent, keep=2)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["00000008", "00000009"]


def test_nothing_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there are no runs to name
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match="give the folder of a run, such as runs/demo"):
            checkpoint.load(path)


def test_settings_are_in_the_checkpoint(saved):
    folder, _ = saved
    assert json.loads((folder / "recipe.json").read_text())["model"]["n_embd"] == 16


def test_what_was_frozen_is_frozen_again(tmp_path, tokenizer):
    model = GPT(CONFIG, seed=5)
    model.embed.requires_grad_(False)
    recipe = mini().model_copy(update={"model": CONFIG}).to_json()
    folder = save(tmp_path / "checkpoints", contents(model, None, {"step": 1}), recipe, tokenizer)
    assert json.loads((folder / "state.json").read_text())["frozen"] == ["embed.weight"]
    back = checkpoint.load(folder).model()
    assert [name for name, p in back.named_parameters() if not p.requires_grad] == ["embed.weight"]


# the weights of any module


class Mine(nn.Module):
    """Tied weights, a buffer, and a module that is used twice."""

    def __init__(self, width=4):
        super().__init__()
        self.table, self.out = nn.Embedding(6, width), nn.Linear(width, 6)
        self.out.weight = self.table.weight
        self.norm = self.again = nn.BatchNorm1d(width)


@pytest.mark.parametrize("make", [lambda: GPT(CONFIG).blocks[0].mixer, Mine, lambda: GPT(CONFIG), lambda: nn.Linear(3, 3)])
def test_any_module_is_saved_and_loaded_alone(tmp_path, make):
    torch.manual_seed(1)
    module, other = make(), make()
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor.copy_(torch.randn(tensor.shape) * 9)
    path = weights.save_weights(module, tmp_path / "new folder" / "weights.safetensors")
    assert weights.load_weights(other, str(path)) is other
    for (name, value), back in zip(module.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(value, back), name
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_weights_of_another_module_and_broken_files_are_refused(tmp_path):
    path, before = weights.save_weights(Mine(), tmp_path / "w.safetensors"), nn.Linear(3, 3)
    weight = before.weight.detach().clone()
    part = nn.ModuleDict({"table": nn.Embedding(6, 4)})
    for module, word in ((Mine(8), "has shape"), (before, "lacks weight"), (part, "holds")):
        with pytest.raises(CheckpointError, match=word):
            weights.load_weights(module, path)
    assert torch.equal(before.weight, weight)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="cannot be read"):
        weights.load_weights(Mine(), path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        weights.load_weights(Mine(), tmp_path / "nowhere")


def test_a_module_that_keeps_other_things_than_tensors_is_refused(tmp_path):
    class Talking(nn.Linear):
        def get_extra_state(self):
            return {"word": "hello"}

    with pytest.raises(GlassError, match="_extra_state of Talking is not a tensor"):
        weights.save_weights(Talking(2, 2), tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


def test_weights_of_a_compiled_module_are_those_of_the_module(tmp_path):
    import copy

    module = torch.nn.Linear(3, 2)
    path = weights.save_weights(torch.compile(module, backend="eager"), tmp_path / "w.safetensors")
    other = weights.load_weights(torch.nn.Linear(3, 2), path)
    with torch.device("meta"):
        empty = torch.nn.Linear(3, 2)
    for loaded in (other, weights.load_weights(empty, path), copy.deepcopy(other)):
        assert torch.equal(loaded.weight, module.weight)


# several checkpoints of one run


@pytest.fixture
def three(saved):
    """The folders of the checkpoints 7, 8 and 9 of one run."""
    folder, _ = saved
    found = [folder]
    for step in (8, 9):
        found.append(Path(shutil.copytree(folder, folder.with_name(f"{step:08d}"))))
        state = {**json.loads((found[-1] / "state.json").read_text()), "step": step}
        (found[-1] / "state.json").write_text(json.dumps(state))
        manifest.seal(found[-1])
    return found


def damage_with(folder, name, how):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 0x10
    changed = {"truncated": data[: len(data) // 2], "flipped": data, "hostile": pickle.dumps(Bomb())}
    (folder / name).unlink() if how == "missing" else (folder / name).write_bytes(changed[how])


class Bomb:
    """Unpickled, it leaves a file."""

    def __reduce__(self):
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize(
    ("name", "how"),
    [("model.safetensors", "flipped"), ("optimizer.safetensors", "truncated"), ("manifest.json", "missing"),
     ("state.json", "flipped"), ("model.safetensors", "hostile"), ("manifest.json", "hostile")],
)  # fmt: skip
def test_a_damaged_newest_checkpoint_falls_back_and_says_so(three, name, how, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    damage_with(three[2], name, how)
    run = three[0].parents[1]
    for which in (checkpoint.newest, checkpoint.best):
        caplog.clear()
        assert checkpoint.load(run, which).step == 8
        assert str(three[2]) in caplog.text and "the checkpoint of step 8 is used in its place" in caplog.text
    if name != "manifest.json":
        with pytest.raises(Damaged, match=f"name {re.escape(str(run))} in its place"):
            checkpoint.load(three[2])
    damage_with(three[1], name, how)
    assert checkpoint.load(run).step == 7
    damage_with(three[0], name, how)
    with pytest.raises(Damaged, match=r"has no whole checkpoint; restore one from a copy, or train a new run$"):
        checkpoint.load(run)
    assert not (tmp_path / "exploded").exists()


def test_no_older_checkpoint_is_deleted_for_one_that_is_not_on_the_disk(three):
    damage_with(three[2], "model.safetensors", "truncated")
    with pytest.raises(Damaged):
        prune(three[0].parent, keep=1)
    assert all(folder.is_dir() for folder in three)


def test_what_is_read_is_not_deleted_until_it_has_been_read(three):
    reading = checkpoint.load(three[0])
    prune(three[0].parent, keep=1)
    assert [folder.exists() for folder in three] == [True, False, True] and reading.averages() == {}
    reading.model()
    reading.close()
    prune(three[0].parent, keep=1)
    assert [folder.exists() for folder in three] == [False, False, True]


def test_a_checkpoint_that_is_deleted_while_it_is_opened_gives_way_to_the_next(three, monkeypatch, caplog):
    run, verify, calls = three[0].parents[1], manifest.verify, []

    def pruned(folder):
        if not calls:  # the training writes 9 and deletes 8 just now
            calls.append(shutil.rmtree(folder))
            hidden.rename(three[2])
        return verify(folder)

    hidden = three[2].rename(three[2].with_name(".9"))
    monkeypatch.setattr(manifest, "verify", pruned)
    assert checkpoint.load(run).step == 9 and not caplog.text


def test_permanent_checkpoints_stay(three):
    state = {**json.loads((three[0] / "state.json").read_text()), "permanent": True}
    (three[0] / "state.json").write_text(json.dumps(state))
    prune(three[0].parent, keep=1)
    assert [folder.exists() for folder in three] == [True, False, True]


def test_a_deleted_checkpoint_leaves_its_place_at_once(three, monkeypatch):
    """Killed within the deletion, it leaves a hidden rest, which the next save sweeps."""

    def killed(folder, **kwargs):
        if folder.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(three[0])
    assert [path.name for path in checkpoint.steps(three[0].parent)] == ["00000008", "00000009"]
    prune(three[0].parent, keep=2)
    assert sorted(path.name for path in three[0].parent.iterdir()) == ["00000008", "00000009"]


@pytest.mark.parametrize("header", [b"\xff" * 8, (1 << 40).to_bytes(8, "little"), (2).to_bytes(8, "little") + b"[]"])
def test_hostile_weights_with_a_right_checksum_are_refused_before_anything_is_allocated(saved, header):
    folder, _ = saved
    (folder / "model.safetensors").write_bytes(header)
    manifest.seal(folder)
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(folder).model()
