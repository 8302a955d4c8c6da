"""`glass check-variant`: a right file passes, and a wrong one is told where, in the names of the dimensions."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from glassformer.errors import SettingError
from glassformer.lab import contracts
from glassformer.lab.contracts import possible, slot_of, verdicts
from glassformer.lab.contracts.terminal import check_variant
from glassformer.model.gpt import GPT, GPTConfig

MEAN = Path(__file__).parents[1] / "model" / "mean_mixer.py"


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(contracts, "N_COMBINATIONS", 2)


def spoiled(folder: Path, *changes: tuple[str, str]) -> str:
    text = MEAN.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "spoiled.py").write_text(text)
    return str(folder / "spoiled.py")


def broken(path: str) -> dict[str, str]:
    return {v.promise: v.broken for v in verdicts(possible(slot_of(path), path)[0]) if v.broken}


def test_a_mixer_of_twenty_lines_keeps_every_promise(capsys):
    assert check_variant(str(MEAN), Console())
    assert "All promises are kept" in capsys.readouterr().out


ALTERNATE = """
from glassformer.model.mixer import AttentionSettings
from glassformer.model.mixer.full import Attention

class Config(AttentionSettings):
    def build(self, shapes, kernels=None):
        return EverySecond(shapes, self, kernels)

class EverySecond(Attention):
    def visible(self, q_index, k_index):
        return (k_index <= q_index) & (((q_index - k_index) % 2 == 0) | (k_index == 0))
"""


def test_attention_that_overrides_its_rule_alone_keeps_every_promise_and_the_rule(tmp_path):
    path = tmp_path / "alternate.py"
    path.write_text(ALTERNATE)
    assert not broken(str(path))
    tree = {"vocab_size": 11, "context_length": 8, "n_layer": 1, "n_head": 2, "n_embd": 16, "mixer": str(path)}
    gpt, batch = GPT(GPTConfig.parse(tree)).eval(), torch.arange(8)[None]
    changed = batch.clone()
    changed[0, 4] = 10
    seen = (gpt(batch) != gpt(changed)).any(-1)[0]
    assert seen.tolist() == [False] * 4 + [True, False, True, False], "token 4 is seen by every second one from there"


def test_looking_ahead_is_found_and_placed(tmp_path):
    found = broken(spoiled(tmp_path, ("k <= q", "k <= q + 1")))
    assert "position 0 depends on a later position" in found["causal"]
    assert "row" in found["decode_equals_forward"] and "token" in found["decode_equals_forward"]


def test_documents_that_see_each_other_are_found(tmp_path):
    found = broken(spoiled(tmp_path, ("positions.visible(k_index, lambda q, k: k <= q)", "k_index <= positions.queries")))
    assert list(found) == ["packed_documents_are_read_alone"]


def test_a_forgotten_cache_is_found(tmp_path):
    found = broken(spoiled(tmp_path, ("            v, _ = cache.append(v, v, positions)\n", "            pass\n")))
    assert {"decode_equals_forward", "chunked_prefill_equals_whole"} <= set(found)


def test_an_exception_is_told_with_its_line(tmp_path):
    found = broken(spoiled(tmp_path, ("x.device)", "x.devise)")))
    line = next(i for i, text in enumerate(MEAN.read_text().splitlines(), 1) if "x.device" in text)
    assert all("AttributeError" in how and f"line {line} of spoiled.py" in how for how in found.values()) and found


def test_an_assertion_of_the_file_is_told_with_its_line(tmp_path):
    found = broken(spoiled(tmp_path, ("        v = self", "        assert x.shape[0] == 3\n        v = self")))
    assert "AssertionError (line" in found["starts_at_ln_v"] and "spoiled.py)" in found["starts_at_ln_v"]


def test_a_file_that_can_never_be_built_keeps_nothing(tmp_path):
    path = spoiled(tmp_path, ("    decay: float = 0.0", "    window: int"))
    with pytest.raises(SettingError, match="fits to none of 2 combinations.*window"):
        check_variant(path, Console())
    with pytest.raises(SettingError, match="no Python file"):
        check_variant("my_mixer", Console())


def test_combinations_that_refuse_each_other_are_counted(monkeypatch, capsys):
    def refuse(combination):
        if combination["shape"] == "many_heads":
            raise SettingError("too many heads")

    monkeypatch.setattr(contracts, "config", refuse)
    monkeypatch.setattr(contracts, "PROMISES", contracts.PROMISES[:1])
    assert check_variant(str(MEAN), Console(width=200))
    assert "1 of them cannot be built: too many heads" in capsys.readouterr().out


def test_files_that_are_no_part_are_refused(tmp_path):
    (tmp_path / "nothing.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("x =\n")
    with pytest.raises(SettingError, match="defines no part of a model; subclass Mixer"):
        slot_of(str(tmp_path / "nothing.py"))
    with pytest.raises(SettingError, match="could not be imported"):
        slot_of(str(tmp_path / "wrong.py"))
    with pytest.raises(SettingError, match="there is no file"):
        slot_of(str(tmp_path / "missing.py"))
