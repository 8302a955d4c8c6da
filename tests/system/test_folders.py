from pathlib import Path

import pytest

from glassformer.errors import GlassError
from glassformer.system.folders import all_or_nothing, unless_interrupted


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("appear", [all_or_nothing, lambda target: unless_interrupted(target, lambda leftover: True)])
def test_it_appears_whole_and_replaces_what_was_there(tmp_path, appear):
    for text in ("old", "new"):
        with appear(tmp_path / "set") as growing:
            (growing / "a").write_text(text)
        assert (tmp_path / "set" / "a").read_text() == text and names(tmp_path) == ["set"]
    with pytest.raises(ValueError), appear(tmp_path / "set") as growing:
        (growing / "a").write_text("bad")
        raise ValueError
    with pytest.raises(GlassError, match="No space"), appear(tmp_path / "set") as growing:
        raise OSError(28, "No space left on device")
    assert (tmp_path / "set" / "a").read_text() == "new" and names(tmp_path) == ["set"]


@pytest.mark.parametrize("recognised", [True, False])
def test_what_was_interrupted_is_there_for_who_recognises_it(tmp_path, recognised):
    with pytest.raises(KeyboardInterrupt), unless_interrupted(tmp_path / "set", lambda leftover: True) as growing:
        (growing / "a").write_text("half")
        raise KeyboardInterrupt
    assert not (tmp_path / "set").exists()
    (tmp_path / ".set.preparing" / ".facts.json.17-0.tmp").write_text("what write_atomic had when it was killed")
    with unless_interrupted(tmp_path / "set", lambda leftover: recognised) as growing:
        assert names(growing) == (["a"] if recognised else [])
        (growing / "b").write_text("rest")
    assert names(tmp_path) == ["set"] and names(tmp_path / "set") == (["a", "b"] if recognised else ["b"])
