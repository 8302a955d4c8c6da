import contextlib
import json
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, PositiveInt, ValidationError

from glassformer.config import Config, variants
from glassformer.errors import SettingError
from glassformer.model.gpt import GPTConfig
from glassformer.model.head import Head
from glassformer.model.mixer import Mixer
from glassformer.model.mlp import MLP
from glassformer.model.position import Position
from glassformer.recipes.presets import gpt2

SLOTS = {"head": Head, "mixer": Mixer, "mlp": MLP, "position": Position}
KNOB = """
from glassformer.model.mixer import Mixer

class Windowed(Mixer):
    window: int = 3
    "How far it sees, in tokens."

    def build(self, shapes, kernels): ...
"""


class Inner(Config):
    model: GPTConfig = GPTConfig()
    """The model."""


class Recipe(Config):
    """A stand-in for a preset: three levels deep, one field of every kind."""

    inner: Inner = Inner()
    """The group below."""
    text: str = "a"
    """A text."""
    rate: float = 1e-3
    """A rate, per step."""
    kind: Literal["a", "b"] = "a"
    """One of two."""
    sizes: tuple[PositiveInt, ...] = (1, 2)
    """Several sizes."""


@pytest.fixture
def variant_file(tmp_path):
    def write(source: str, name: str = "mine.py") -> Path:
        (tmp_path / name).write_text(source)
        return tmp_path / name

    return write


def refusal(*assignments: str) -> str:
    with pytest.raises(SettingError) as caught:
        Recipe().override(*assignments)
    message = str(caught.value)
    assert "\n" not in message and message.strip() == message, f"not one sentence: {message!r}"
    return message


assignment = st.one_of(
    st.integers(1, 9).map(lambda n: ("inner.model.n_layer", n)),
    st.sampled_from([8, 16, 32]).map(lambda n: ("inner.model.n_embd", n)),
    st.sampled_from([1, 2, 8]).map(lambda n: ("inner.model.n_head", n)),
    st.sampled_from([None, 1]).map(lambda n: ("inner.model.n_kv_head", n)),
    st.booleans().map(lambda b: ("inner.model.bias", b)),
    st.sampled_from(["gelu", "relu", "swiglu"]).map(lambda v: ("inner.model.mlp", v)),
    st.integers(1, 9).map(lambda n: ("inner.model.mlp.n_hidden", n)),
    st.just(("inner.model.position", "rope")),
    st.floats(1.5, 1e9).map(lambda x: ("inner.model.position.base", x)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: ("rate", x)),
    st.text().map(lambda s: ("text", s)),
    st.sampled_from(["a", "b"]).map(lambda s: ("kind", s)),
    st.lists(st.integers(1, 9), max_size=3).map(lambda s: ("sizes", s)),
)


@given(st.lists(assignment, unique_by=lambda item: item[0]), st.randoms())
def test_overrides_do_not_depend_on_their_order_and_survive_the_round_trip(chosen, random):
    written = [f"{path}={json.dumps(value)}" for path, value in chosen]
    shuffled = random.sample(written, len(written))
    recipe = Recipe().override(*written)
    assert Recipe().override(*shuffled) == recipe
    again = Recipe.from_json(recipe.to_json())
    assert (
        again == recipe
        and again.to_json() == recipe.to_json()
        and type(again.inner.model.mlp) is type(recipe.inner.model.mlp)
    )
    for path, value in chosen:
        here = recipe
        for part in path.split("."):
            here = getattr(here, part)
        here = here.name if path.rpartition(".")[2] in SLOTS else list(here) if isinstance(here, tuple) else here
        assert here == value, path


@given(st.text())
def test_a_text_that_is_not_json_is_taken_as_it_stands(text):
    try:
        json.loads(text)
    except json.JSONDecodeError:
        assert Recipe().override(f"text={text}").text == text


def test_a_slot_that_changes_its_variant_drops_the_old_knobs_and_keeps_the_rest():
    before = Recipe().override("inner.model.mlp.n_hidden=7", "inner.model.position.base=5")
    after = before.override("inner.model.mlp=gelu")
    assert after.inner.model.mlp.n_hidden is None and after.inner.model.position.base == 5
    assert before.override("inner.model.mlp.name=gelu").inner.model.mlp.n_hidden == 7


def test_the_json_is_complete():
    tree = json.loads(Recipe().to_json())
    for setting in Recipe().settings():
        value = tree
        for part in setting.path.split("."):
            value = value[part]
        value = value["name"] if setting.variants else value
        assert value == (list(setting.value) if isinstance(setting.value, tuple) else setting.value), setting.path


def test_every_setting_has_a_path_a_type_and_a_meaning():
    rows = {row.path: row for row in Recipe().settings()}
    assert not [row for row in rows.values() if not row.meaning or "[" in row.type]
    types = [rows[path].type for path in ("inner.model.n_kv_head", "kind", "sizes")]
    assert types == ["int or null", '"a" or "b"', "list of int"]
    assert rows["inner.model.mixer"].variants == variants(Mixer)
    assert {"inner.model.mlp.n_hidden", "inner.model.norm.eps", "text"} < set(rows)


@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_every_file_of_a_slot_is_a_variant_and_an_equal_one_comes_back(slot):
    assert variants(slot)
    for name in variants(slot):
        variant = slot.named(name)
        assert variant.name == name and variant.slot() is slot
        assert slot.from_json(variant.to_json()) == variant and type(variant).from_json(variant.to_json()) == variant


def test_a_variant_is_accepted_as_an_instance_a_name_and_a_tree():
    mlp = MLP.named("relu", n_hidden=5)
    for given_as in (mlp, {"name": "relu", "n_hidden": 5}):
        assert GPTConfig.parse({"mlp": given_as}).mlp == mlp
    assert GPTConfig.parse({"mlp": "relu"}).mlp == MLP.named("relu")


def test_frozen_and_hashable():
    config = GPTConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.n_layer = 3  # pyright: ignore
    with pytest.raises(ValidationError, match="frozen"):
        config.mlp.n_hidden = 3  # pyright: ignore
    assert hash(config) == hash(GPTConfig()) and config.override("n_layer=3") != config == GPTConfig()


@pytest.mark.parametrize(
    ("written", "path", "remedy"),
    [
        ("inner.model.n_layr=3", "'inner.model.n_layr'", "did you mean 'n_layer'"),
        ("iner.model.n_layer=3", "'iner'", "did you mean 'inner'"),
        ("inner.modle.n_layer=3", "'inner.modle'", "did you mean 'model'"),
        ("inner.name=3", "'inner.name'", "there is: model"),
        ("inner.model.mlp.n_hiden=3", "'inner.model.mlp.n_hiden'", "did you mean 'n_hidden'"),
        ("inner.model.n_layer=x", "inner.model.n_layer:", 'got "x"'),
        ("inner.model.n_layer=0", "inner.model.n_layer:", "greater than 0, got 0"),
        ("inner.model.mlp.n_hidden=-1", "inner.model.mlp.n_hidden:", "greater than 0, got -1"),
        ("inner.model.mlp=swigul", "inner.model.mlp:", "did you mean 'swiglu'"),
        ("inner.model.mlp.name=swigul", "inner.model.mlp:", "did you mean 'swiglu'"),
        ("inner.model.mlp=zzz", "inner.model.mlp:", "there is: geglu, gelu, gelu_exact, moe, relu, relu2, swiglu"),
        ('inner.model.mlp={"n_hidden": 3}', "inner.model.mlp:", "name=... with one of: geglu, gelu, gelu_exact, moe,"),
        ("inner.model.mlp=null", "inner.model.mlp:", "got null"),
        ("inner.model.mixer=./nowhere.py", "inner.model.mixer:", "nowhere.py; give a path"),
        ("inner.model=3", "inner.model:", "got 3"),
        ("inner.model.n_layer.x=3", "inner.model.n_layer ", "'inner.model.n_layer.x' does not exist"),
        ("inner.model.n_head=3", "inner.model:", "n_embd=128 must be a multiple of n_head=3; change one"),
        ("inner.model.n_kv_head=3", "inner.model:", "n_head=4 must be a multiple of n_kv_head=3; change one"),
        ("inner.model.dropout=1", "inner.model:", "must be below 1"),
        ("kind=c", "kind:", "'a' or 'b'"),
        ("sizes=[1, 0]", "sizes.1:", "greater than 0"),
        ("rate=NaN", "rate:", "finite number, got NaN"),
        ("rate=Infinity", "rate:", "finite number"),
        ("text=true", "text:", "valid string"),
        ("inner.model.n_layer=" + "9" * 5000, "inner.model.n_layer:", "integer"),
        ("inner.model.mixer=" + "[" * 10**5, "inner.model.mixer:", "there is: "),
        ("text", "'text'", "path=value"),
        ("=3", "'=3'", "path=value"),
        ("a..b=3", "'a..b=3'", "path=value"),
    ],
)
def test_a_refusal_names_the_whole_path_and_the_remedy(written, path, remedy):
    message = refusal(written)
    assert path in message and remedy in message, message


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_assignment_whatever_raises_anything_but_a_setting_error(path, value):
    for written in (f"{path}={value}", f"inner.model.{path}={value}", f"inner.model.mixer={value}", path):
        try:
            assert isinstance(Recipe().override(written), Recipe)
        except SettingError as error:
            assert str(error)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", '"a"', "NaN", "null", '{"rate": "x"}', '{"x": 1}', "\0", "[" * 10**5, "9" * 5000]
)
def test_damaged_json_is_a_setting_error(text):
    with pytest.raises(SettingError):
        Recipe.from_json(text)


def test_a_path_works_where_a_name_does(variant_file, tmp_path, monkeypatch):
    path = variant_file(KNOB)
    for written in (str(path), "./mine.py", "~/mine.py"):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("USERPROFILE", str(tmp_path))
        recipe = Recipe().override("inner.model.mixer.window=5", f"inner.model.mixer={written}")
        monkeypatch.chdir("/")
        assert recipe.inner.model.mixer.name == str(path.resolve()), (
            "the saved path must not depend on where one stands"
        )
        assert Recipe.from_json(recipe.to_json()) == recipe and recipe.inner.model.mixer.window == 5  # pyright: ignore
        (row,) = [row for row in recipe.settings() if row.path == "inner.model.mixer.window"]
        assert (row.value, row.type, row.meaning) == (5, "int", "How far it sees, in tokens.")
    assert "did you mean 'window'" in refusal(f"inner.model.mixer={path}", "inner.model.mixer.widow=5")
    assert refusal(f"inner.model.mixer={path}", "inner.model.mixer.window=x").startswith("inner.model.mixer.window:")


def test_a_changed_file_is_read_again(variant_file):
    path = variant_file(KNOB)
    assert Mixer.named(str(path)).window == 3  # pyright: ignore
    variant_file(KNOB.replace("= 3", "= 4"))
    assert Mixer.named(str(path)).window == 4  # pyright: ignore


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", "exactly one subclass of Mixer, but it defines 0"),
        (KNOB + KNOB.replace("Windowed", "Other"), "it defines 2"),
        ("from glassformer.model.mixer.full import Config", "it defines 0"),
        ("from glassformer.model.mixer import Mixer\nclass A(Mixer):\n    pass", "A in .* does not define build"),
        ("class (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)", "SystemExit"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
        (KNOB.replace("int = 3", "Unknown = 3"), "NameError"),
        (KNOB.replace("int = 3", "int = 'x'"), r"inner\.model\.mixer\.window"),
    ],
)
def test_a_variant_file_with_a_mistake_is_a_sentence_that_names_the_setting(variant_file, source, expected):
    path = variant_file(source)
    for _ in range(2):  # a module that failed to import must not look imported the second time
        with pytest.raises(SettingError, match=expected) as caught:
            Recipe().override(f"inner.model.mixer={path}")
        assert str(caught.value).startswith("inner.model.mixer")


def test_the_first_parse_of_a_default_is_checked_too():
    class Wrong(Config):
        n: PositiveInt = Field(0)

    with pytest.raises(SettingError, match="n: .*greater than 0"):
        Wrong.parse({})


@settings(max_examples=30)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_json_tree_is_refused_or_accepted_never_a_traceback(tree):
    for value in (tree, {"inner": tree}, {"inner": {"model": {"mixer": tree}}}):
        with contextlib.suppress(SettingError):
            Recipe.parse(value)


def test_a_setting_inside_a_part_that_is_chosen_in_the_same_call_is_found():
    chosen = gpt2().override("train.optimizer.others.beta2=0.9", "train.optimizer=muon").train.optimizer
    assert chosen.others.beta2 == 0.9 and chosen.others.beta1 == 0.9 and chosen.momentum == 0.95
    with pytest.raises(SettingError, match=r"train\.optimizer\.othrs'; did you mean 'others'"):
        gpt2().override("train.optimizer=muon", "train.optimizer.othrs.beta2=0.9")
