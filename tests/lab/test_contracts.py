"""`glass check-variant` for parts of a model: right files pass, and a wrong one is told the cause and the place."""

from pathlib import Path

import pytest
import torch
from rich.console import Console

from glassformer.errors import SettingError
from glassformer.lab import contracts
from glassformer.lab.contracts import bounded, parts_of, verdicts
from glassformer.lab.contracts import model as of_models
from glassformer.lab.contracts.terminal import check_variant
from glassformer.model.gpt import GPT, GPTConfig

MEAN = Path(__file__).parents[1] / "model" / "mean_mixer.py"
RIGHT = sorted((Path(__file__).parent / "parts" / "right").glob("*.py"))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(of_models, "N_COMBINATIONS", 1)


@pytest.fixture
def here(monkeypatch):
    """`check_variant` tests in this process, which is quicker than to start another."""
    monkeypatch.setattr(bounded, "verdicts", lambda part, seconds, minutes: verdicts(part))


def spoiled(folder: Path, *changes: tuple[str, str], source: Path = MEAN) -> str:
    text = source.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "spoiled.py").write_text(text)
    return str(folder / "spoiled.py")


def written(folder: Path, text: str) -> str:
    (folder / "part.py").write_text(text)
    return str(folder / "part.py")


def broken(path: str, *promises: str) -> dict[str, str]:
    """How the promises are broken (those named, or all)."""
    found = {}
    for part in parts_of(path):
        for promise in contracts.promises(part):
            if not promises or promise.__name__ in promises:
                how = next(filter(None, (contracts._how(promise, case, part) for case in contracts.cases(part)[0])), "")
                found |= {promise.__name__: how} if how else {}
    return found


def first_broken(path: str) -> tuple[str, str]:
    """The promise that `check-variant` names first, and what it says."""
    return next((v.promise, v.broken) for part in parts_of(path) for v in verdicts(part) if v.broken)


def right(stem: str) -> Path:
    return next(path for path in RIGHT if path.stem == stem)


QUICK = [promise.__name__ for promise in of_models.BASIS] + [
    "causal", "causal_while_it_trains", "decode_equals_forward", "padding_changes_nothing", "every_parameter_learns",
]  # fmt: skip


@pytest.mark.parametrize("path", [MEAN, *RIGHT], ids=lambda path: path.stem)
def test_fault_26_right_parts_of_many_kinds_are_not_condemned(path):
    assert not broken(str(path), *QUICK)


def test_fault_26_the_guides_half_norm_overfits():
    assert not broken(str(right("half_norm")), "one_batch_overfits")


@pytest.mark.slow
@pytest.mark.parametrize("path", [MEAN, *RIGHT], ids=lambda path: path.stem)
def test_right_parts_of_many_kinds_keep_every_promise(path, monkeypatch):
    monkeypatch.setattr(of_models, "N_COMBINATIONS", 4)
    assert not broken(str(path))


def test_every_slot_of_a_file_is_checked_and_reported(here, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(of_models, "PROMISES", of_models.learning.PROMISES[2:3])
    path = spoiled(tmp_path, ("F.tanh(x)", "F.tanh(x) * torch.rand(())"), source=right("two_parts"))
    Path(path).write_text(Path(path).read_text() + HELPERS)
    assert not check_variant(path, Console(width=200))
    out = capsys.readouterr().out
    assert "fills 2 slots: model.mlp, model.norm" in out and "as model.mlp, tried in 1 combinations" in out
    assert 'not tested saved equals loaded\n           it asks for "the same text gives the same scores" first' in out
    assert "1 of 5 promises broken, 1 not tested" in out
    assert "All 5 promises are kept. Use it with model.norm=" in out


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
    path = written(tmp_path, ALTERNATE)
    assert not broken(path)
    tree = {"vocab_size": 11, "context_length": 8, "n_layer": 1, "n_head": 2, "n_embd": 16, "mixer": path}
    gpt, batch = GPT(GPTConfig.parse(tree)).eval(), torch.arange(8)[None]
    changed = batch.clone()
    changed[0, 4] = 10
    seen = (gpt(batch) != gpt(changed)).any(-1)[0]
    assert seen.tolist() == [False] * 4 + [True, False, True, False], "token 4 is seen by every second one from there"


def test_looking_ahead_is_found_and_placed(tmp_path):
    found = broken(spoiled(tmp_path, ("k <= q", "k <= q + 1")), "causal", "decode_equals_forward")
    assert "position 0 depends on a later position, 1" in found["causal"]
    assert "row" in found["decode_equals_forward"] and "token" in found["decode_equals_forward"]


def test_fault_26_a_short_reach_that_is_not_declared_is_told_how_to_declare_it(tmp_path):
    source = right("short_convolution")
    path = spoiled(tmp_path, ("    def reach(self):\n        return self.width\n", ""), source=source)
    assert "`def reach(self): return 4`" in broken(path, "causal")["causal"]
    path = spoiled(tmp_path, ("return self.width\n\n    def build", "return 3\n\n    def build"), source=source)
    assert "declare that a token sees 3 tokens at most; correct `reach`" in broken(path, "causal")["causal"]


WRONG = {
    "documents that see each other": (
        MEAN, "positions.visible(k_index, lambda q, k: k <= q)", "k_index <= positions.queries",
        "packed_documents_are_read_alone", "which is of another document",
    ),
    "a cache that is not used": (
        MEAN, "            v, _ = cache.append(v, v, positions)\n", "            pass\n", "decode_equals_forward", "off by",
    ),
    "a state that is lost": (
        right("gru"), "cache.store(positions, h)", "cache.store(positions, 0 * h)", "decode_equals_forward",
        "ignores what earlier calls have read into the cache",
    ),
    "padding in the state": (
        right("gru"), "h = new if real is None else torch.where(real[:, t, None], new, h)", "h = new",
        "padding_changes_nothing", "depends on the padding; positions.real says which tokens are real",
    ),
    "no cache": (MEAN, "def make_cache(", "def make_a_cache(", "fits_its_place", "(RunningMean) has no make_cache"),
    "input changed in place": (
        right("half_norm"), "return x / ", "return x.mul_(2) / ", "fits_its_place",
        "blocks.0.mixer_norm (HalfNorm) changes its input in place",
    ),
    "another shape": (right("half_norm"), "return x / ", "return x[..., :-1] / ", "fits_its_place", "returns (3, 9, 15)"),
    "another dtype": (right("half_norm"), "return x / ", "return x.double() / ", "fits_its_place", "torch.float64"),
    "a buffer that is not saved": (
        right("torch_attention"), "triu(1))", "triu(1), persistent=False)", "fits_its_place",
        "the buffer blocks.0.mixer.hidden is not saved",
    ),
    "weights outside of the seed": (
        right("wide_norm"), "torch.ones(n_embd)", "torch.randn(n_embd, generator=seeding())",
        "the_seed_decides_the_weights", "blocks.0.mixer_norm.weight differs between two models of the same seed",
    ),
    "dropout in evaluation": (
        right("stochastic_depth"), "if not self.training:", "if False:", "the_same_text_gives_the_same_scores",
        "blocks.0 (Sometimes) gives two outputs for the same input in evaluation",
    ),
    "randomness outside of the seed": (
        right("stochastic_depth"), "torch.rand(len(y), 1, 1)", "torch.rand(len(y), 1, 1, generator=seeding())",
        "the_same_text_gives_the_same_scores", "draws random numbers outside of torch's default generator",
    ),
    "NaN at a token": (
        right("half_norm"), "return x / ", "return torch.where(x == x.amax(), torch.nan, x) / ",
        "every_token_gives_finite_scores", "blocks.0.mixer_norm (HalfNorm) gives NaN or infinity for token",
    ),
    "no gradient": (
        right("quantized_mlp"), "self.weight + (rounded - self.weight).detach()", "rounded.detach()",
        "every_parameter_learns", "mlp.up_proj.weight has no gradient: forward does not use it, or detaches",
    ),
    "a gradient of 0": (
        right("quantized_mlp"), "self.weight + (rounded - self.weight).detach()", "self.weight.sign()",
        "every_parameter_learns", "mlp.up_proj.weight has no gradient but 0: rounding or a comparison stops it",
    ),
    "a batch that is normalised together": (
        right("wide_norm"), "wide.square().mean(-1, keepdim=True)",
        "wide.square().mean((0, 1, 2)[2 * (not self.training) :], keepdim=True)",
        "causal_while_it_trains", "in training mode the output at position 0 depends on a later position, 1 (as with B",
    ),
    "twins that differ": (
        right("quantized_mlp"), "F.relu(", "(1.01 if self.up_proj.kernels == fused() else 1) * F.relu(", "twins_agree",
        "logits of a new model",
    ),
    "a dtype of its own under autocast": (
        right("quantized_mlp"), "        return self.down_proj(self.dropout(F.relu(self.up_proj(x))))",
        "        h, y = self.up_proj(x), x.new_zeros(*x.shape[:2], self.up_proj.n_out)\n"
        "        return self.down_proj(y.index_copy_(1, torch.arange(x.shape[1], device=x.device), F.relu(h)))",
        "works_in_bfloat16", "of spoiled.py: return self.down_proj(y.index_copy_",
    ),
}  # fmt: skip
HELPERS = """
import torch
from glassformer.kernels import fused

def seeding():
    generator = torch.Generator()
    generator.seed()
    return generator
"""


@pytest.mark.parametrize("name", WRONG)
def test_fault_26_a_wrong_part_is_told_the_cause(tmp_path, name):
    source, old, new, promise, words = WRONG[name]
    path = spoiled(tmp_path, (old, new), source=source)
    Path(path).write_text(Path(path).read_text() + HELPERS)
    found = first_broken(path)
    assert found[0] == promise and words in found[1], found


def test_an_exception_is_told_with_its_line_and_once(tmp_path):
    path = spoiled(tmp_path, ("x.device)", "x.devise)"))
    line = next(i for i, text in enumerate(MEAN.read_text().splitlines(), 1) if "x.device" in text)
    found = [v for v in verdicts(parts_of(path)[0]) if v.broken]
    assert "decode_equals_forward" in [v.promise for v in found] and "causal" not in [v.promise for v in found]
    assert all("AttributeError" in v.broken and f"line {line} of spoiled.py: k_index = " in v.broken for v in found)


def test_an_assertion_of_the_file_is_told_with_its_line(tmp_path):
    path = spoiled(tmp_path, ("        v = self", "        assert x.shape[0] == 3\n        v = self"))
    how = broken(path, "starts_at_ln_v")["starts_at_ln_v"]
    assert "AssertionError (line" in how and "spoiled.py: assert x.shape[0] == 3)" in how


def test_a_file_that_can_never_be_built_keeps_nothing(tmp_path):
    path = spoiled(tmp_path, ("    decay: float = 0.0", "    window: int"))
    with pytest.raises(SettingError, match="fits to none of 1 combinations.*window"):
        check_variant(path, Console())
    with pytest.raises(SettingError, match="no Python file"):
        check_variant("my_mixer", Console())


def test_combinations_that_refuse_each_other_are_counted(monkeypatch, here, capsys):
    def refuse(combination):
        if combination["shape"] == "many_heads":
            raise SettingError("too many heads")

    monkeypatch.setattr(of_models, "config", refuse)
    monkeypatch.setattr(of_models, "N_COMBINATIONS", 2)
    monkeypatch.setattr(of_models, "PROMISES", of_models.PROMISES[:1])
    assert check_variant(str(MEAN), Console(width=200))
    assert "1 of 2 combinations cannot be built: too many heads" in capsys.readouterr().out


def test_files_that_are_no_part_are_refused(tmp_path):
    (tmp_path / "nothing.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("x =\n")
    with pytest.raises(SettingError, match="defines no part of a recipe; it must subclass one of .*Mixer"):
        parts_of(str(tmp_path / "nothing.py"))
    with pytest.raises(SettingError, match="could not be imported"):
        parts_of(str(tmp_path / "wrong.py"))
    with pytest.raises(SettingError, match="there is no file"):
        parts_of(str(tmp_path / "missing.py"))
