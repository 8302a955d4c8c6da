import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora.python import Python
from glassformer.data import DataConfig
from glassformer.data.clean import STEPS, CleanConfig, Cleaner, report
from glassformer.errors import SettingError

TEXT = st.text(st.one_of(st.sampled_from("\r\n\t \f\0ab\x85é"), st.characters(exclude_categories=["Cs"])))


@pytest.mark.parametrize(
    "step, before, after",
    [
        ("newlines", "a\r\nb\rc\n\r\nd", "a\nb\nc\n\nd"),
        ("control_characters", "a\0b\x07\tc\n\x7f\x9fd\x1b[0m", "ab\tc\nd[0m"),
        ("unicode", "cafe\u0301", "café"),
        ("blank_lines", "a\n\nb\n\n\nc\n\n\n\n\n\nd", "a\n\nb\n\n\nc\n\n\nd"),
        ("trailing_space", "a  \n\tb \t\n \nc ", "a\n\tb\n\nc"),
    ],
)
def test_what_each_step_does(step, before, after):
    assert STEPS[step](before) == after


@given(TEXT)
def test_every_step_is_idempotent_and_does_what_its_docstring_says(text):
    for step in STEPS.values():
        assert step(step(text)) == step(text)
    clean_text = text
    for name in CleanConfig().steps:
        clean_text = STEPS[name](clean_text)
    assert "\r" not in clean_text and "\n\n\n\n" not in clean_text
    assert not [c for c in clean_text if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert unicodedata.is_normalized("NFC", clean_text)


@given(st.lists(TEXT, max_size=8))
def test_the_report_adds_up(texts):
    cleaner = Cleaner(CleanConfig(steps=tuple(STEPS), min_characters=3, max_characters=9))
    kept = [text for text in map(cleaner, texts) if text]
    lines = report(cleaner.take())
    assert (lines[0].documents_before, lines[0].characters_before) == (len(texts), sum(map(len, texts)))
    assert (lines[-1].documents_after, lines[-1].characters_after) == (len(kept), sum(map(len, kept)))
    for line, following in zip(lines, lines[1:]):
        assert line.documents_after == following.documents_before
        assert line.characters_after == following.characters_before
    assert all(text.strip() for text in kept)


def test_the_default_steps_leave_prose_and_code_alone():
    prose = "First Citizen:\nBefore we proceed, hear me speak. \n\n\nAll:\nSpeak, speak.\n"
    assert Cleaner(CleanConfig())(prose) == prose
    cleaner = Cleaner(CleanConfig())
    for document in Python(megabytes=1).documents():
        if document.text:
            compile(cleaner(document.text), document.origin, "exec", dont_inherit=True)


def test_a_million_spaces_take_no_time():
    assert STEPS["trailing_space"](" " * 10**6 + "x" + " " * 10**6) == " " * 10**6 + "x"


def test_an_unknown_step_is_refused_with_a_suggestion():
    with pytest.raises(SettingError, match="did you mean 'newlines'"):
        DataConfig().override('clean.steps=["newline"]')
