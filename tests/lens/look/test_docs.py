"""The example in docs/look.md is true."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "look.md"


def test_the_example_runs(capsys):
    space = {}
    for text in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(text, space)
    assert "torch.Size([4, 9, 9]) []" in capsys.readouterr().out
