"""`glass tokenize`: one verb, and what its options ask for."""

from pathlib import Path

from rich.console import Console

from glassformer.errors import SettingError
from glassformer.lens.tokens import Named, find, view
from glassformer.tokenizers import _formats


def tokenize(
    console: Console, text: str | None, others: list[str], name: str | None, replay: bool, compare: bool,
    report: str | None, save: Path | None, pattern: str | None,
) -> None:  # fmt: skip
    """Do what the options say, each of them in turn. Raises GlassError."""
    if text is None and report is None and save is None:
        raise SettingError('say what to tokenize, for example: glass tokenize "Once upon a time"')
    if others and not compare:
        raise SettingError(f"'{others[0]:.60}' is one word too many: put the text in quotes, or add --compare")
    if text is None and (compare or replay):
        raise SettingError("--compare and --replay need a text: glass tokenize TEXT ...")
    content = None if text is None else find.text(text)
    if compare and content is not None:
        _compare(console, content, [*others, *([name] if name else [])], pattern)
        return
    if name is None and report is not None and (Path(report) / "index.json").is_file():
        name = report  # a dataset knows its tokenizer
    named = find.tokenizer(name, pattern)
    if replay and content is not None:
        from glassformer.lens.tokens.replay import show

        show(named, content, console)
    elif content is not None:
        view.show(named, content, console)
    if report is not None:
        from glassformer.lens.tokens.vocabulary import report as print_report

        print_report(named, report, console)
    if save is not None:
        for path in _formats.write(named.tokenizer, save):
            console.print(f"wrote {path}", markup=False, soft_wrap=True)


def _compare(console: Console, text: str, names: list[str], pattern: str | None) -> None:
    from glassformer.lens.tokens.compare import compare

    if not names:
        raise SettingError("say which tokenizers: glass tokenize TEXT --compare byte bpe runs/demo")
    found: list[Named] = []
    for name in names:
        with console.status(f"fetching {name}"):
            found.append(find.tokenizer(name, pattern))
    compare(found, text, console)
