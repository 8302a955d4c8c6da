"""What the documents say is so: commands, settings, files, links, the list of slots, the walk and the folders exist.

Nothing heavy runs: each command is parsed by the real command line, and its settings are applied to the real recipe.
"""

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "glassformer"
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "LOG.md")]
DOCUMENTS = [*TOP, *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("bench/*.md"))]
PROGRAMS = {"pytest", "ruff", "pyright", "python", "python3", "bash", "git", "cd", "torchrun", "cat", "sbatch"}
MADE_LATER = ("runs/", "data/", ".venv", "checkpoints/", "my_", "path/to", "../", "~", "/", "http")
OWN_FILE = re.compile(r"=\./my_\w+\.py")  # a part that the reader has written
OWN_TEXT = re.compile(r'"\./my_\w+"')  # a source of a mixture


class Command(NamedTuple):
    place: str
    words: list[str]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(text: str, name: str) -> list[Command]:
    """The commands in ```sh and ```bash blocks; continuation lines joined, pipes cut into parts, redirections left out."""
    found = []
    for block in re.finditer(r"^ *```(?:sh|bash|shell|console)[^\n]*\n(.*?)^ *```", text, re.M | re.S):
        first = text[: block.start(1)].count("\n") + 1
        lines = block.group(1).replace("\\\n", "  ").splitlines()
        for number, line in enumerate(lines, first):
            line = re.sub(r"(^|\s)#.*", "", line.strip().removeprefix("$ "))
            line = re.sub(r"\s[12&]?>>?\s*\S+", "", line)  # where the output goes
            for part in re.split(r"&&|\|\|?|;(?=\s)", line):
                words = shlex.split(part)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words:
                    found.append(Command(f"{name}:{number}", words))
    return found


def glass_arguments(words: list[str]) -> list[str] | None:
    """What follows `./glass` or `python glass`; None for another program. A bare `glass` is not on a reader's path."""
    for start in (["./glass"], ["python", "glass"]):
        if words[: len(start)] == start:
            return words[len(start) :]
    return None


@functools.cache
def the_command() -> Any:
    typer = pytest.importorskip("typer")
    return typer.main.get_command(pytest.importorskip("glassformer.cli").app)


def parsed(arguments: list[str]) -> tuple[list[str], dict[str, Any]] | str:
    """(verb, its parameters) as the real command line reads them, or why it refuses."""
    command, passed, verb = the_command(), list(arguments), []
    while hasattr(command, "commands"):
        if not passed or passed[0] not in command.commands:
            return f"no verb {passed[:1]} among {sorted(command.commands)}"
        verb.append(passed[0])
        command = command.commands[passed.pop(0)]
    try:
        return verb, command.make_context(verb[-1], passed).params
    except Exception as error:
        if not any(kind.__name__ == "UsageError" for kind in type(error).__mro__):  # typer's own click, or click's
            raise
        return f"{' '.join(verb)}: {error}"


def refused_settings(verb: list[str], given: dict[str, Any]) -> str | None:
    """Why a recipe, sampling or check would refuse the settings of a command; None if it takes them."""
    from glassformer.errors import GlassError
    from glassformer.recipes.presets import Recipe, named, presets

    settings, recipe, variants = list(given.get("settings") or []), Recipe(), []
    try:
        if verb == ["data", "check"]:
            from glassformer.lab.check import CheckConfig

            CheckConfig().override(*settings)
        elif verb == ["generate"]:
            knobs = given["knobs"] or []
            recipe.sample.override(*(word for word in knobs if not of_own_file(word, knobs)))
        elif verb[0] in ("train", "prepare", "compare", "plan", "settings"):
            called, source = given.get("recipe") or "mini", given.get("source")
            if verb == ["plan"]:  # its first word is a recipe, a run or a text
                called, source = (given["what"], None) if given["what"] in presets() else (called, given["what"])
            if "=" in called:
                settings, called = [called, *settings], "mini"
            if source and "=" in source and "," not in source:
                settings, source = [source, *settings], None
            recipe = named(called if called in presets() or "/" not in called else "mini")
            if source not in (None, "village", "python"):
                recipe = recipe.override('corpus={"name": "files", "path": "."}')
            variants = [variant.split() for variant in given.get("against") or []]
            for words in variants or [[]]:
                known = [word for word in [*settings, *words] if not of_own_file(word, [*settings, *words])]
                recipe.override(*(OWN_TEXT.sub('"python"', word) for word in known))
    except GlassError as error:
        return str(error)
    return None


def of_own_file(setting: str, settings: list[str]) -> bool:
    """Whether a setting names a file that the reader has written, or is a setting of such a part."""
    owned = [word.partition("=")[0] for word in settings if OWN_FILE.search(word)]
    return any(setting.startswith((path + "=", path + ".")) for path in owned)


def missing_files(words: list[str]) -> list[str]:
    """Words that name a file of this repository which is not there."""
    a_file = r"[\w./-]+\.(py|md|toml|sh|json)|(tests|bench|lessons|docs)/\S*"
    paths = [word for word in words if re.fullmatch(a_file, word)]
    paths = [path.split("::")[0].removeprefix("./") for path in paths]
    return [path for path in paths if not path.startswith(MADE_LATER) and not (ROOT / path).exists()]


def every_command() -> list[Command]:
    return [c for path in DOCUMENTS for c in commands(path.read_text(), name(path))]


@pytest.mark.parametrize("command", every_command(), ids=lambda c: f"{c.place} {' '.join(c.words)}")
def test_a_documented_command_works_as_it_stands(command):
    arguments = glass_arguments(command.words)
    if arguments is None:
        program = Path(command.words[0]).name
        assert program in PROGRAMS or (ROOT / command.words[0]).exists(), f"{command.place}: {program} is not there"
    elif command.words != ["./glass", "--help"]:
        found = parsed(arguments)
        assert not isinstance(found, str), f"{command.place}: {found}"
        assert refused_settings(*found) is None, command.place
    assert not missing_files(command.words), command.place


def inline_commands(path: Path) -> list[str]:
    """`./glass ...` within a sentence of a document."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return [" ".join(code.split()) for code in re.findall(r"`(\.?/?glass [^`]*)`", text)]


def is_a_verb(words: list[str]) -> bool:
    """Whether these words are the name of a verb and nothing more, such as `data check`."""
    command = the_command()
    for word in words:
        command = getattr(command, "commands", {}).get(word)
    return command is not None


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_commands_in_sentences_can_be_typed(path):
    """Words in capitals stand for something the reader fills in; a verb alone is a name."""
    wrong = []
    for code in inline_commands(path):
        words = shlex.split(code)
        if words[0] != "./glass":
            wrong.append(f"{code}: write ./glass")
        elif not re.search(r"\b[A-Z]{3,}\b|\.\.\.", code) and not is_a_verb(words[1:]):
            found = parsed(words[1:])
            wrong += [f"{code}: {found}"] if isinstance(found, str) else []
    assert not wrong


def anchors(path: Path) -> set[str]:
    """What `#...` may name in a document: its headings, as GitHub writes them."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    return set(anchors_of(re.findall(r"^#+ (.*)$", text, re.M)))


def anchors_of(headings: list[str]) -> list[str]:
    named = [re.sub(r"\]\([^)]*\)", "", heading).lower() for heading in headings]
    return [re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in named]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_and_files_named_in_a_document_exist(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    links = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if ":" not in target]
    broken = []
    for target in links:
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    named = re.findall(r"`((?:glassformer|tests|bench|docs|lessons)/[\w./-]+)`", text)
    assert broken + [name for name in named if not (ROOT / name).exists()] == []


def test_every_verb_is_in_the_readme_and_has_a_group():
    text = TOP[0].read_text()
    verbs = the_command().commands
    assert not [verb for verb in verbs if not re.search(rf"^\./glass {verb}\b", text, re.M)]
    assert not [verb for verb, command in verbs.items() if not isinstance(command.rich_help_panel, str)]


def test_the_glossarys_index_names_every_entry():
    path = ROOT / "docs/glossary.md"
    index, _, entries = path.read_text().partition("\n## ")
    listed = re.findall(r"\]\(#([^)]+)\)", index)
    assert sorted(listed) == sorted(anchors_of(re.findall(r"^### (.*)$", entries, re.M)))


def table(path: Path, header: str) -> list[list[str]]:
    """The rows of the table whose header begins with `header`."""
    text = path.read_text()
    block = text[text.index(f"| {header}") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in block[2:]]


def links(cell: str) -> list[str]:
    return re.findall(r"\]\(([^)#]+)\)", cell)


def test_the_walk_leads_through_nine_files_in_the_order_of_a_text():
    walked = [links(row[0])[0].removeprefix("glassformer/").removesuffix(".py") for row in table(TOP[0], "file")]
    assert [path.removesuffix("/__init__") for path in walked] == [
        "recipes/presets", "tokenizers/bpe", "data/shards", "data/batches", "model/gpt", "model/block",
        "model/mixer/full", "train/trainer", "generate/decode",
    ]  # fmt: skip


def test_the_readme_lists_every_folder():
    listed = [links(row[0])[0].rstrip("/").removeprefix("glassformer/") for row in table(TOP[0], "folder")]
    assert sorted(listed) == sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))


def slots() -> set[str]:
    """The folder of every slot of the package: those whose `__init__.py` derives its base class from Variant."""
    return {
        path.parent.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("__init__.py")
        if re.search(r"^class \w+\(Variant\b.*\):", path.read_text(), re.M)
    }


def settings_of_slots(config: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(setting, folder of the slot it chooses from) for everything below a config."""
    from glassformer.config import Config, Variant

    for field in type(config).model_fields:
        value = getattr(config, field)
        if isinstance(value, Variant):
            folder = value.slot().__module__.removeprefix("glassformer.").replace(".", "/")
            yield prefix + field, folder
        if isinstance(value, Config):
            yield from settings_of_slots(value, f"{prefix}{field}.")


def test_the_guide_lists_every_slot_of_the_package():
    from glassformer.recipes.presets import Recipe

    rows = table(ROOT / "docs/guide.md", "slot")
    listed = {row[0].strip("`"): links(row[2])[0].rstrip("/").removeprefix("../glassformer/") for row in rows}
    assert set(listed.values()) == slots()
    chosen = dict(settings_of_slots(Recipe()))
    assert listed == {setting: chosen.get(setting) for setting in listed}


def snippets(path: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S)


def test_the_guides_own_part_is_a_model_that_works(tmp_path):
    import torch

    from glassformer.model.gpt import GPT, GPTConfig

    (text,) = snippets(ROOT / "docs/guide.md")
    (tmp_path / "my_norm.py").write_text(text)
    norm = {"name": str(tmp_path / "my_norm.py"), "power": 0.8}
    shape = {"vocab_size": 11, "context_length": 8, "n_layer": 1, "n_head": 2, "n_embd": 8}
    model = GPT(GPTConfig.parse({**shape, "norm": norm}))
    assert model(torch.arange(6)[None]).shape == (1, 6, 11)


def test_the_readmes_own_formula_is_the_one_that_runs():
    import torch

    from glassformer.kernels import attention

    (text,) = snippets(TOP[0])
    calls: list[int] = []

    def my_attention(*args, **kwargs):
        calls.append(1)
        return attention.plain(*args, **kwargs)

    space: dict[str, Any] = {"my_attention": my_attention}
    exec(text, space)
    space["model"](torch.arange(4)[None])
    assert calls


def test_the_villages_snippet_is_true():
    (text,) = snippets(ROOT / "docs/village.md")
    space: dict[str, Any] = {}
    exec(text, space)
    assert space["check"](space["story"].text).wholly_right


def test_every_part_stands_alone_as_the_page_says():
    space: dict[str, Any] = {}
    for text in snippets(ROOT / "docs/parts.md"):
        exec(text, space)
    assert space["y"].shape == space["x"].shape == space["stream"].shape and space["auxiliary"] is None
    assert space["one_more"].shape == (1, 1, 50) and len(space["offsets"]) == len(space["ids"])
    assert space["tokenizer"].encode("<|user|>", allow_special=["<|user|>"]) == [space["tokenizer"].special["<|user|>"]]


def test_nobody_is_told_to_install_what_is_not_published():
    """`pip install glassformer` finds no such package: it is not on an index."""
    files = [*DOCUMENTS, ROOT / "glass", *PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]
    found = [name(path) for path in files if re.search(r"pip install[^\n]*\bglassformer\b", path.read_text())]
    assert not found


def test_the_reader_of_commands_sees():
    text = "x\n```sh\n$ ./glass train python --name a \\\n   train.steps=5  # five\nA=1 ./glass eval x | head\n```\n"
    assert commands(text, "T") == [
        Command("T:3", ["./glass", "train", "python", "--name", "a", "train.steps=5"]),
        Command("T:4", ["./glass", "eval", "x"]),
        Command("T:4", ["head"]),
    ]
    assert glass_arguments(["python", "glass", "demo"]) == ["demo"] and glass_arguments(["glass", "demo"]) is None
    assert missing_files(["tests/nothing.py", "runs/x/report.md", "glass", "pyproject.toml"]) == ["tests/nothing.py"]


@pytest.mark.parametrize(
    "words",
    [
        "trane village", "train --stepps 5", "train village train.stepps=5", "plan mini model.mixer=slidng",
        "compare --against model.mixer=slidng", "generate runs/x -s top_q=1", "data check data/x shar=0.3",
        "train village model.mixer=sliding model.mixer.windo=5",
    ],
)  # fmt: skip
def test_the_reader_of_commands_refuses(words):
    found = parsed(shlex.split(words))
    assert isinstance(found, str) or refused_settings(*found)


def test_the_reader_of_commands_takes_a_part_of_the_readers_own():
    found = parsed(shlex.split("train village model.norm=./my_norm.py model.norm.power=0.8 train.steps=5"))
    assert not isinstance(found, str) and refused_settings(*found) is None


def test_anchors_are_githubs(tmp_path):
    path = tmp_path / "x.md"
    path.write_text("# A title\n## 2026-11-21: `gated_deltanet` in bf16\n```\n# no\n```\n### Bits per byte\n")
    assert anchors(path) == {"a-title", "2026-11-21-gated_deltanet-in-bf16", "bits-per-byte"}
