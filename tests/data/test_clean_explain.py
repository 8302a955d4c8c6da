from hypothesis import given

from glassformer.data.clean import CleanConfig, Cleaner
from glassformer.data.clean.explain import explain
from glassformer.data.clean.terminal import before_and_after, difference

from .test_clean import LIMITS, TEXT


@given(TEXT)
def test_it_says_what_the_cleaner_does(text):
    for config in (CleanConfig(), CleanConfig(**LIMITS)):
        document = explain(config, text, "origin")
        cleaner = Cleaner(config)
        assert document.after == cleaner(text)
        counts = cleaner.take()["steps"]
        assert [name for name, _, _ in document.changes] == [name for name in counts if counts[name]["changed"]]
        states = [text, *(after for _, _, after in document.changes)]
        assert [before for _, before, _ in document.changes] == states[:-1] and states[-1] == document.after
        assert not [c for c in before_and_after(document).plain if ord(c) < 32 and c != "\n"]


def test_what_is_shown():
    texts = {"a.txt": "one\r\ntwo [bold]cafe\u0301[/bold]", "b.txt": "fine", "c.txt": " \n"}
    pages = [before_and_after(explain(CleanConfig(), text, origin)) for origin, text in texts.items()]
    assert "\n".join(each.plain for each in pages).splitlines() == [
        "a.txt  27 characters -> 25",
        "  newlines  -1 characters",
        "    one[-␍-]⏎",
        "    two [bold]cafe<U+0301>[/bold]",
        "  unicode  -1 characters",
        "    one⏎",
        "    two [bold][-cafe<U+0301>-]{+café+}[/bold]",
        "b.txt  4 characters, unchanged",
        "c.txt  2 characters -> 0",
        "  blank_documents  drops it",
        "     ⏎",
    ]


@given(TEXT, TEXT)
def test_a_difference_shows_both_texts(before, after):
    shown = difference(before, after)
    styles = [str(span.style) for span in shown.spans]
    assert ("red" in styles or "green" in styles) == (before != after)
