"""What the documents tell people to type exists: verbs, options, settings, files and links.

Nothing heavy runs: each command is looked up in the real command line's own tables.
"""

import functools
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
DOCUMENTS = [path for path in DOCUMENTS if path.exists()]
PROGRAMS = {"glass", "pytest", "ruff", "pyright", "python", "python3", "bash", "git", "cd", "torchrun", "pip", "cat"}
MADE_LATER = ("runs/", "data/", ".venv", "checkpoints/", "my_", "path/to", "../", "~", "/", "http")


class Command(NamedTuple):
    place: str
    words: list[str]


def commands(text: str, name: str) -> list[Command]:
    """The commands in ```sh and ```bash blocks; continuation lines joined, pipes and redirections cut into parts."""
    found = []
    for block in re.finditer(r"^ *```(?:sh|bash|shell|console)[^\n]*\n(.*?)^ *```", text, re.M | re.S):
        first = text[: block.start(1)].count("\n") + 1
        lines = block.group(1).replace("\\\n", "  ").splitlines()
        for number, line in enumerate(lines, first):
            line = re.sub(r"(^|\s)#.*", "", line.strip().removeprefix("$ "))
            for part in re.split(r"&&|\|\|?|;(?=\s)|\s[12&]?>>?", line):
                words = shlex.split(part)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words:
                    found.append(Command(f"{name}:{number}", words))
    return found


def glass_arguments(words: list[str]) -> list[str] | None:
    """What follows `./glass` (or `python glass`, or `glass`); None for another program."""
    for start in (["./glass"], ["glass"], ["python", "glass"], ["python3", "glass"]):
        if words[: len(start)] == start:
            return words[len(start) :]
    return None


def wrong_with(arguments: list[str]) -> str | None:
    """Why the real command line would refuse these words, or None."""
    command, passed = the_command(), list(arguments)
    while hasattr(command, "commands") and passed and not passed[0].startswith("-"):
        if passed[0] not in command.commands:
            return f"no verb {passed[0]!r} among {sorted(command.commands)}"
        command = command.commands[passed.pop(0)]
    if command.context_settings.get("ignore_unknown_options"):
        return None  # hands its words on to another program
    known = {"--help"}.union(*({*p.opts, *p.secondary_opts} for p in command.params))
    for word in passed:
        option = word.split("=")[0]
        if re.match(r"--?[A-Za-z]", option) and option not in known:
            return f"no option {option!r} of {command.name} among {sorted(known)}"
    return None


@functools.cache
def the_command():
    typer = pytest.importorskip("typer")
    return typer.main.get_command(pytest.importorskip("glassformer.cli").app)


def missing_files(words: list[str]) -> list[str]:
    """Words that name a file of this repository which is not there."""
    a_file = r"[\w./-]+\.(py|md|toml|sh|json)|(tests|bench|lessons|docs)/\S*"
    paths = [word for word in words if re.fullmatch(a_file, word)]
    paths = [path.split("::")[0].removeprefix("./") for path in paths]
    return [path for path in paths if not path.startswith(MADE_LATER) and not (ROOT / path).exists()]


def every_command() -> list[Command]:
    return [c for path in DOCUMENTS for c in commands(path.read_text(), str(path.relative_to(ROOT)))]


@pytest.mark.parametrize("command", every_command(), ids=lambda c: f"{c.place} {' '.join(c.words)}")
def test_a_documented_command_exists(command):
    arguments = glass_arguments(command.words)
    if arguments is not None:
        assert wrong_with(arguments) is None, command.place
    else:
        assert Path(command.words[0]).name in PROGRAMS or (ROOT / command.words[0]).exists(), command.place
    assert not missing_files(command.words), command.place


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_and_files_named_in_a_document_exist(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.S)
    links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if ":" not in target]
    broken = [target for target in links if target and not (path.parent / target).exists()]
    named = re.findall(r"`((?:glassformer|tests|bench|docs|lessons)/[\w./-]+)`", text)
    assert broken + [name for name in named if not (ROOT / name).exists()] == []


def test_every_verb_is_in_the_readme():
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("no README yet")
    text = readme.read_text()
    assert not [verb for verb in the_command().commands if not re.search(rf"\b{verb}\b", text)]


def test_the_reader_of_commands_sees():
    text = "x\n```sh\n$ ./glass train python --name a \\\n   train.steps=5  # five\nA=1 ./glass eval x | head\n```\n"
    assert commands(text, "T") == [
        Command("T:3", ["./glass", "train", "python", "--name", "a", "train.steps=5"]),
        Command("T:4", ["./glass", "eval", "x"]),
        Command("T:4", ["head"]),
    ]
    assert glass_arguments(["python", "glass", "demo"]) == ["demo"]
    assert missing_files(["tests/nothing.py", "runs/x/report.md", "glass", "pyproject.toml"]) == ["tests/nothing.py"]
