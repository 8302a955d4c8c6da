import json
import pickle
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora.python import Python
from glassformer.data import DataConfig
from glassformer.data.clean import STEPS, CleanConfig, Cleaner, add, dropped, report
from glassformer.data.clean.documents import length, letters_inside
from glassformer.data.clean.lines import is_boilerplate
from glassformer.data.clean.report import Example, first_difference
from glassformer.errors import SettingError

TEXT = st.text(st.one_of(st.sampled_from("\r\n\t \f\0ab\x85é"), st.characters(exclude_categories=["Cs"])))


@pytest.mark.parametrize(
    "step, before, after",
    [
        ("newlines", "a\r\nb\rc\n\r\nd", "a\nb\nc\n\nd"),
        ("newlines", "a\vb\fc\x85d\x1ce\x1df\x1eg\u2028h\u2029i", "a\nb\nc\nd\ne\nf\ng\nh\ni"),
        ("newlines", "a\fb", "a\nb"),
        ("control_characters", "one\x1ftwo\x1f, three", "one two , three"),
        ("control_characters", "a\0b\x07\tc\n\x7f\x9fd\x1b[0m", "ab\tc\nd[0m"),
        ("unicode", "cafe\u0301", "café"),
        ("blank_lines", "a\n\nb\n\n\nc\n\n\n\n\n\nd", "a\n\nb\n\n\nc\n\n\nd"),
        ("trailing_space", "a  \n\tb \t\n \nc ", "a\n\tb\n\nc"),
        ("white_space", "a\u00a0 b\u3000c\u200bd\u2028e\n   f  \t g\th", "a b cd\ne\n   f g\th"),
        ("script", "ascii é 中", "ascii é 中"),
        ("script", "привет ok", ""),
        ("script", "12 + 3", "12 + 3"),
        (
            "boilerplate_lines",
            "Home | About us | Contact\nText.\n© 2024 A. Author\nWe use cookies to serve you.",
            "Text.",
        ),
        (
            "boilerplate_lines",
            "My Page: chapter 1\na\nMy Page: chapter 1\nb\n My Page: chapter 1\nc",
            "My Page: chapter 1\na\nb\nc",
        ),
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


LIMITS = {"steps": tuple(name for name in STEPS if name != "quality"), "min_characters": 3, "max_characters": 9}


@given(TEXT)
def test_fault_5_lines_end_where_python_says_they_end(text):
    assert STEPS["newlines"](text).removesuffix("\n") == "\n".join(text.splitlines()).removesuffix("\n")


@pytest.mark.parametrize("end", ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r", "\r\n"])
@pytest.mark.parametrize("other", ["", "é"])
def test_fault_5_the_end_of_a_line_glues_no_words(end, other):
    text = f"The end of one{end}Beginning{other}"
    assert Cleaner(CleanConfig())(text) == f"The end of one\nBeginning{other}"
    assert len(Cleaner(CleanConfig(steps=("control_characters",)))(text).split()) == 5


@given(st.text(st.characters(min_codepoint=1, max_codepoint=0x2100)), st.text("ab", min_size=1))
def test_fault_5_no_separator_glues_words(separators, word):
    """What Python takes for white space still divides words after cleaning, whatever else goes."""
    if any(c.isspace() for c in separators):
        separators = "".join(c for c in separators if c.isspace())
        assert len(Cleaner(CleanConfig())(word + separators + word).split()) == 2


@given(st.lists(TEXT, max_size=8))
def test_the_report_adds_up(texts):
    cleaner = Cleaner(CleanConfig(**LIMITS))
    kept = [text for text in map(cleaner, texts) if text]
    lines = report(cleaner.take())
    assert (lines[0].documents_before, lines[0].characters_before) == (len(texts), sum(map(len, texts)))
    assert (lines[-1].documents_after, lines[-1].characters_after) == (len(kept), sum(map(len, kept)))
    for line, following in zip(lines, lines[1:]):
        assert line.documents_after == following.documents_before
        assert line.characters_after == following.characters_before
    assert all(text.strip() for text in kept)


@given(st.lists(TEXT, max_size=12), st.integers(1, 5))
def test_workers_count_as_one_does(texts, size):
    """Each batch by a cleaner that travelled, the counts through JSON, added in order."""
    whole, total = Cleaner(CleanConfig(**LIMITS)), {}
    for i in range(0, len(texts), size):
        worker = pickle.loads(pickle.dumps(Cleaner(CleanConfig(**LIMITS))))
        for j, text in enumerate(texts[i : i + size], i):
            worker(text, f"document {j}")
        total = add(total, json.loads(json.dumps(worker.take())))
        assert worker.take()["documents"] == 0
    for j, text in enumerate(texts):
        whole(text, f"document {j}")
    assert (total or Cleaner(CleanConfig(**LIMITS)).take()) == whole.take()


def test_examples_are_the_first_that_a_step_altered_and_show_the_place():
    cleaner = Cleaner(CleanConfig())
    for i in range(9):
        cleaner("x" * 500 + "\r\n" * (i % 2) + "y" * 500, f"document {i}")
    cleaner("\0", "nothing")
    newlines, control = report(cleaner.take())[:2]
    assert [example.origin for example in newlines.examples] == ["document 1", "document 3", "document 5"]
    example = newlines.examples[0]
    assert example.before == "x" * 60 + "\r\n" + "y" * 138 and example.after == "x" * 60 + "\n" + "y" * 139
    assert [(example.origin, example.after) for example in control.examples] == [("nothing", "")]
    assert control.documents_before - control.documents_after == control.changed == 1


@given(TEXT, TEXT, TEXT)
def test_the_first_difference(start, one, two):
    one, two = start + one, start + two
    place = first_difference(one, two)
    assert one[:place] == two[:place] and (one[place : place + 1] != two[place : place + 1] or one == two)


def test_repetitions_come_last_in_the_report():
    cleaner = Cleaner(CleanConfig())
    for text in ("one", "one", "one!", "two"):
        cleaner(text)
    lines = report(cleaner.take(), dropped(1, 3), dropped(1, 4, (Example(origin="a", before="one!", after=""),)))
    assert [line.step for line in lines[-3:]] == ["blank_documents", "repeated_documents", "near_documents"]
    assert (lines[-1].documents_after, lines[-1].characters_after) == (2, 6)
    assert lines[-1].examples[0].before == "one!"


def test_the_default_steps_leave_prose_and_code_alone():
    prose = "First Citizen:\nBefore we proceed, hear me speak. \n\n\nAll:\nSpeak, speak.\n"
    assert Cleaner(CleanConfig())(prose) == prose
    cleaner = Cleaner(CleanConfig())
    for document in Python(megabytes=1).documents():
        if document.text:
            compile(cleaner(document.text), document.origin, "exec", dont_inherit=True)


def test_length_cuts_or_drops():
    assert length("four", 5) == "" and length("fives", 5, 5) == "fives"
    assert length("sixsix", 5, 5) == "sixsi" and length("sixsix", 5, 5, "drop") == ""


@pytest.mark.parametrize(
    "text, scripts, inside, letters",
    [
        ("abc дом", ("Latin",), 3, 6), ("abc дом", ("latin", "Cyrillic"), 6, 6), ("日本ごカー", ("Han", "Hiragana"), 3, 4),
        ("µm 5 ½ ª", ("Latin",), 2, 2), ("ascii", ("Greek",), 0, 5), ("αβγ", ("Greek",), 3, 3), ("1 2", ("Han",), 0, 0),
    ],
)  # fmt: skip
def test_letters_are_counted_by_script(text, scripts, inside, letters):
    """ー and µ belong to several scripts, so they count for none."""
    assert letters_inside(text, scripts) == (inside, letters)


@given(st.text(max_size=50))
def test_letters_are_those_of_the_names_of_characters(text):
    """An independent oracle: Unicode calls Greek letters GREEK ..."""
    letters = [c for c in text if unicodedata.category(c) in ("Lu", "Ll") and unicodedata.name(c).startswith("GREEK ")]
    assert letters_inside(text, ("Greek",))[0] >= len([c for c in letters if c not in "ΩµΏ"])


PAGE_LINES = [
    "Home | About | Contact", "HOME • NEWS • SHOP • CART", "Skip to main content", "This site uses cookies.",
    "By continuing you accept our Cookie Policy", "Accept all cookies", "Copyright (c) 2019 Somebody Ltd.", "(C) 2020 X",
    "© 2001-2024 The Firm. All rights reserved.", "Subscribe to our newsletter", "Sign up for free updates!",
    "Follow us on Mastodon", "Share this article", "Share on Facebook", "Read more...", "Back to top ↑", "Advertisement",
    "Please enable JavaScript to view this page.", "Log in", "Privacy Policy", "Terms & Conditions",
]  # fmt: skip
PROSE_LINES = [
    "She put the cookies on the table.", "We use sugar, and our cookies were gone by noon.", "All rights were taken away.",
    "He read more than she did.", "Copyright is an old idea.", "(c) the third case follows", "I follow, like us all.",
    "| home | office | garden |", "He went home / she stayed / nobody spoke.", "}", "Share this bread with me.",
    "The log in the fire cracked.", "They signed up for our army.", "a | b | c", "Follow us, she said.", "",
    "We use cookies as the unit of account here, and the rest of this very long line goes on and on about the economy of "
    "the island where they are baked, traded, hoarded and finally eaten by those who had the fewest of them.",
]  # fmt: skip


def test_boilerplate_is_told_from_prose():
    assert [line for line in PAGE_LINES if not is_boilerplate(line)] == []
    assert [line for line in PROSE_LINES if is_boilerplate(line)] == []


def test_lines_without_words_may_repeat():
    code = "if a:\n    b()\nelse:\n    c()\n" * 9 + "}\n" * 9 + "---\n" * 9
    assert STEPS["boilerplate_lines"](code) == code


@pytest.mark.parametrize("step", [name for name in STEPS if name != "quality"])
def test_long_runs_of_one_character_take_no_time(step):
    for unit in (" ", "\n", "a", "1", "1 ", "(", "+", "@", "a@", "1.", ":", "f", "| ", "é", "2:", "a.", "-", "0-"):
        text = "x" + unit * (2 * 10**5 // len(unit)) + "x"
        start = time.perf_counter()
        STEPS[step](text)
        assert time.perf_counter() - start < 4, f"{step} of many {unit!r}"


@pytest.mark.parametrize(
    "override, words",
    [
        ('steps=["newline"]', "did you mean 'newlines'"),
        ('steps=["unicode", "unicode"]', "named twice"),
        ("min_characters=5", "has no effect without the step 'length'; add 'length' to steps"),
        ("quality_threshold=0.7", "has no effect without the step 'quality'"),
        ('steps=["length"]', "set min_characters or max_characters"),
        ('steps=["quality"]', "glass data quality"),
        ('scripts=["Latn1"]', "there is no script 'Latn1'; did you mean 'Latin'"),
        ('scripts=["Latin}"]', "did you mean 'Latin'"),
        ('mask=["emails"]', "email"),
        ("minimum=4", "unknown setting 'clean.minimum'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_a_remedy(override, words):
    with pytest.raises(SettingError, match=words):
        DataConfig().override(f"clean.{override}")


def test_settings_reach_their_steps():
    config = CleanConfig().override('steps=["length", "script"]', "max_characters=3", 'scripts=["Greek", "Cyrillic"]')
    assert [Cleaner(config)(text) for text in ("αβγδ", "домик", "house")] == ["αβγ", "дом", ""]
    assert CleanConfig.from_json(config.to_json()) == config
