"""The examples in docs/lens.md are true."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "lens.md"


def test_the_page_runs_from_top_to_bottom(capsys):
    space = {}
    for text in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S):
        exec(text, space)
    printed = capsys.readouterr().out
    assert "blocks.0.mixer.pattern" in printed and "blocks.3.mlp" in printed
    assert space["said"].terms.shape[0] == 1 + 4 * (4 + 1)
