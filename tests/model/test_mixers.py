"""A pattern of mixers: whose settings each layer gets, and that no setting is dropped without a word."""

import re
import shlex
from pathlib import Path

import pytest

from glassformer.errors import SettingError
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.mixer import Mixer
from glassformer.recipes.presets import mini

LAB = Path(__file__).parents[2] / "docs" / "lab.md"
FULL, SLIDING = Mixer.named("full"), Mixer.named("sliding")
NARROW = Mixer.named("sliding", window=8)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["mixers=sliding,full"], [SLIDING, FULL]),
        (["mixer=sliding", "mixer.window=8", "mixers=sliding,full"], [NARROW, FULL]),
        (["mixers=sliding, sliding ,full", "mixer.window=8", "mixer=sliding"], [NARROW, NARROW, FULL]),
        (["mixer=sliding", "mixer.window=8", 'mixers=["full", "sliding"]'], [FULL, NARROW]),
        (["mixer.qk_norm=rmsnorm", "mixers=mamba,full"], [Mixer.named("mamba"), Mixer.named("full", qk_norm="rmsnorm")]),
        (['mixers=[{"name": "sliding", "window": 8}, "sliding", "full"]'], [NARROW, SLIDING, FULL]),
        (["mixer=sliding", "mixer.window=8", 'mixers=["sliding", {"name": "sliding", "window": 256}]'], [NARROW, SLIDING]),
        (["mixer=sliding", "mixer.window=8", "mixers=null"], [NARROW]),
    ],
)
def test_a_name_in_the_pattern_takes_the_settings_of_mixer(written, expected):
    config = GPTConfig().override(*written, "n_layer=5")
    assert [config.mixer_of(layer) for layer in range(5)] == [expected[layer % len(expected)] for layer in range(5)]
    assert GPTConfig.from_json(config.to_json()) == config
    for layer, block in enumerate(GPT(config).blocks):
        assert getattr(block.mixer, "window", None) == getattr(config.mixer_of(layer), "window", None)


def test_a_mixer_by_path_is_known_in_the_pattern(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent)
    config = GPTConfig().override("mixer=./mean_mixer.py", "mixers=./mean_mixer.py,full")
    assert config.mixers == (config.mixer, FULL)


@pytest.mark.parametrize(
    "written",
    [
        ["mixer=sliding", "mixers=mamba,full"],
        ["mixer=sliding", "mixer.window=8", 'mixers=[{"name": "sliding"}, {"name": "full"}]'],
        ["mixer.qk_norm=rmsnorm", "mixers=sliding,mamba"],
    ],
)
def test_a_mixer_without_a_place_in_the_pattern_is_refused(written):
    with pytest.raises(SettingError, match="^mixer=.*has no place in mixers=.*mixers=null.*mixer=full") as caught:
        GPTConfig().override(*written)
    assert "\n" not in str(caught.value)
    later = GPTConfig().override("mixers=sliding,full")
    with pytest.raises(SettingError, match="has no place"):
        later.override("mixer=sliding", "mixer.window=8")
    assert later.override("mixer=sliding", "mixer.window=8", "mixers=sliding,full").mixers == (NARROW, FULL)


@pytest.mark.parametrize("before", [[], ["model.mixers=sliding,full"], ['model.mixers=["sliding", "full"]']])
def test_a_place_of_the_pattern_has_no_path_and_what_to_write_instead_is_said(before):
    with pytest.raises(SettingError, match="write the whole list as JSON") as caught:
        mini().override(*before, "model.mixers.0.window=8")
    message = str(caught.value)
    assert message.startswith("'model.mixers.0.window' does not exist")
    (word,) = shlex.split(message.partition("for example ")[2])
    word = word.replace('"..."', '"sliding"').replace("...", '"full"')
    assert mini().override(word).model.mixers == (NARROW, FULL)


def test_the_patterns_in_the_documentation_are_what_they_say():
    lines = [line for line in LAB.read_text().splitlines() if "model.mixers=" in line and line.startswith("./glass ")]
    patterns = [mini().override(*shlex.split(line, comments=True)[3:]).model.mixers for line in lines]
    wide, narrow = Mixer.named("sliding", window=128), Mixer.named("sliding", window=32)
    assert patterns == [(SLIDING, SLIDING, FULL), (wide, wide, FULL), (narrow, wide, FULL)]
    inline = re.findall(r"`model\.(mixers=[\w,]+)`", LAB.read_text())
    assert inline and all(GPTConfig().override(words).mixers == (SLIDING, SLIDING, FULL) for words in inline)
