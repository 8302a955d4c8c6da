"""Text of others cannot command a terminal, and nothing else about it is changed."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.system.visible import visible

KEPT = "\n\t\u200c\u200d"
ARABIC = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"  # these are seen
SEEN = (*KEPT, *ARABIC, *map(chr, range(0x13430, 0x13460)))  # hieroglyphs are joined by characters of this kind


def harmful(character: str) -> bool:
    """What Unicode calls a control, format, surrogate or line-separating character."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and character not in SEEN


def test_fault_33_every_control_and_format_character_of_unicode_is_shown():
    for code in range(0x110000):
        shown = visible(chr(code))
        if harmful(chr(code)):
            assert shown.isascii() and shown.isprintable() and shown.startswith("\\"), hex(code)
        assert not any(map(harmful, shown))


@given(st.text())
def test_text_without_them_comes_back_and_seeing_twice_changes_nothing(text):
    plain = "".join(c for c in text if not harmful(c) and c not in "\u115f\u1160\u3164\uffa0\ufffe\uffff")
    assert visible(plain) == plain
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("text", ["Zoë 猫 👩\u200d👩\u200d👧 می\u200cخواهم שלום", "tab\tand\nline"])
def test_ordinary_text_is_not_touched(text):
    assert visible(text) == text


def test_surrogates_tags_and_overrides_are_shown():
    assert visible("\ud83d") == "\\ud83d" and visible("\U000e0041") == "\\U000e0041" and visible("\u202e") == "\\u202e"
