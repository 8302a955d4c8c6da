"""What is printed reaches every terminal, pipe and file: any encoding, any width, closed, full; and no text commands it."""

import io
import os
import subprocess
import sys

import pytest

from glassformer import cli
from glassformer.recipes import terminal as written

from .small import SMALL

ENCODINGS = ["cp1252", "ascii", "latin-1", "shift_jis"]
NASTY = "a\tb\r\x0b\x1b[2J\x9b\x07\u202eé\n"


class Terminal(io.TextIOWrapper):
    """Standard output of another encoding: a pipe, or, if asked for, a terminal."""

    def __init__(self, encoding: str, terminal: bool = False):
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", newline="\n")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def got(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined]


def run(monkeypatch, stream, *words) -> int:
    """Call `glass` with another standard output; gives the exit code."""
    monkeypatch.setattr(sys, "argv", ["glass", *map(str, words)])
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.fixture
def at_the_run(trained, monkeypatch):
    monkeypatch.chdir(trained)


@pytest.fixture
def nasty(monkeypatch):
    """A model that writes what a terminal would obey."""
    monkeypatch.setattr("glassformer.generate.text.stream", lambda *given: iter([NASTY[:4], NASTY[4:]]))
    monkeypatch.setattr("glassformer.generate.text.complete", lambda model, tokenizer, prompts, _: [NASTY] * len(prompts))


# ------------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("terminal", [False, True])
def test_fault_08_a_console_that_is_not_utf8_gets_what_it_can_say(at_the_run, monkeypatch, encoding, terminal):
    for words in (["tokenize", "naïve 猫 – “hi”…"], ["settings"], ["train", "--help"],
                  ["generate", "runs/tiny", "猫 –", "-s", "max_new_tokens=2"]):  # fmt: skip
        stream = Terminal(encoding, terminal)
        assert run(monkeypatch, stream, *words) == 0
        assert len(stream.got()) > 2


@pytest.mark.parametrize(
    "words",
    [["train", "village", *SMALL, "--name", "a"], ["prepare", "village", *SMALL, "--explain"],
     ["data", "check", "runs/tiny"], ["plan", "runs/tiny", "--hardware", "rtx4090"]],
)  # fmt: skip
def test_fault_08_whole_verbs_on_such_a_console(at_the_run, monkeypatch, words):
    assert run(monkeypatch, Terminal("ascii", terminal=True), *words) == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_fault_08_an_error_about_a_name_that_the_console_cannot_say(monkeypatch, tmp_path, encoding):
    monkeypatch.chdir(tmp_path)
    errors = Terminal(encoding)
    monkeypatch.setattr(sys, "stderr", errors)
    assert run(monkeypatch, Terminal(encoding), "train", "猫…\x1b]0;title\x07.txt") == 2
    assert b"\\x1b]0;title\\x07.txt" in errors.got() and b"\x1b" not in errors.got()


def test_characters_of_ours_become_those_of_ascii(monkeypatch):
    from glassformer.system.terminal import Console, say_what_they_can

    stream = Terminal("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say_what_they_can()
    Console().print("“so” → … · × 猫")
    assert stream.got() == b'"so" -> ... . x \\u732b\n'


# ------------------------------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_fault_04_a_pipe_gets_every_byte(at_the_run, nasty, monkeypatch, encoding):
    stream = Terminal(encoding)
    assert run(monkeypatch, stream, "generate", "runs/tiny", "p\udcff\t") == 0
    assert stream.got() == b"p\xff\t" + NASTY.encode() + b"\n"
    stream = Terminal(encoding)
    assert run(monkeypatch, stream, "generate", "runs/tiny", "p\t", "-n", 2) == 0
    assert stream.got() == b"\n---\n".join([b"p\t" + NASTY.encode()] * 2) + b"\n"


def test_fault_04_text_of_a_real_model_comes_out_as_it_was_written(at_the_run, monkeypatch):
    from glassformer.generate.text import complete
    from glassformer.recipes.presets import Recipe
    from glassformer.runs import checkpoint

    stream = Terminal("utf-8")
    prompt = "one\ttwo\r\n three:smile: [red]"
    assert run(monkeypatch, stream, "generate", "runs/tiny", prompt, "-s", "temperature=3") == 0
    saved = checkpoint.load("runs/tiny")  # type: ignore[arg-type]
    sampling = Recipe.parse(saved.recipe).sample.override("temperature=3")
    (text,) = complete(saved.model(), saved.tokenizer(), [prompt], sampling)
    assert stream.got() == (prompt + text + "\n").encode()


@pytest.mark.parametrize("count", [1, 2])
def test_fault_33_a_terminal_gets_no_command_from_a_model(at_the_run, nasty, monkeypatch, count):
    stream = Terminal("utf-8", terminal=True)
    assert run(monkeypatch, stream, "generate", "runs/tiny", "\x1b]0;title\x07", "-n", count) == 0
    said = stream.got().decode()
    assert r"\x1b]0;title\x07" in said and "a\tb" + r"\r\x0b\x1b[2J\x9b\x07\u202eé" in said
    assert not set(said) & set("\x1b\r\x0b\x9b\x07\u202e")


@pytest.mark.parametrize("words", [["tokenize", NASTY], ["plan", "x" + NASTY], ["tr\x1b[2Jin"], ["train", "--na\x1b[2J"]])
def test_fault_33_no_verb_hands_on_what_a_terminal_obeys(glass, words):
    _, out, err = glass(*words)
    assert not set(out + err) & set("\x1b\r\x0b\x9b\x07\u202e")


def test_fault_33_a_traceback_is_tame():
    code = """
import glassformer.cli
def broken(words): raise RuntimeError(chr(27) + "[2J")
glassformer.cli._run = broken
glassformer.cli.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and r"RuntimeError: \x1b[2J" in done.stderr and "\x1b" not in done.stderr


def test_fault_33_samples_in_training_are_tame(capsys):
    from glassformer.system.terminal import Console
    from glassformer.train.terminal import Display

    display = Display(Console(width=60), steps=9)
    display({"kind": "sample", "step": 3, "prompt": NASTY, "text": NASTY})
    out = capsys.readouterr().out
    assert r"\x1b[2J" in out and not set(out) & set("\x1b\r\x0b\x9b\x07\u202e")


def test_fault_36_a_million_texts_are_written_a_few_at_a_time(at_the_run, monkeypatch):
    asked: list[int] = []

    def complete(model, tokenizer, prompts, config):
        asked.append(len(prompts))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return [f"{config.seed + row}" for row in range(len(prompts))]

    monkeypatch.setattr("glassformer.generate.text.complete", complete)
    stream = Terminal("utf-8")
    assert run(monkeypatch, stream, "generate", "runs/tiny", "", "-n", 1_000_000, "-s", "seed=5") == 130
    assert asked == [written.AT_ONCE] * 3
    assert stream.got().split(b"\n---\n")[:18] == [str(5 + n).encode() for n in range(18)]


# ----------------------------------------------------------------------------------------------- closed, full, stopped


def closed_pipe():
    """A pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w")


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
@pytest.mark.parametrize(
    "words", [["settings"], ["generate", "runs/tiny"], ["generate", "runs/tiny", "-n", "3"], ["--help"]]
)
def test_fault_36_a_closed_pipe_ends_in_silence(at_the_run, monkeypatch, capfd, words):
    assert run(monkeypatch, closed_pipe(), *words) == 141
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full")
@pytest.mark.parametrize(
    "words",
    [["settings"], ["generate", "runs/tiny"], ["plan", "runs/tiny", "--json", "--hardware", "rtx4090"], ["--version"]],
)
def test_fault_36_a_full_device_is_one_sentence(at_the_run, monkeypatch, capfd, words):
    with open("/dev/full", "w") as full:
        assert run(monkeypatch, full, *words) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and "No space left on device" in err


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_fault_36_a_training_whose_output_is_closed_saves_and_stops(monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    real, seen = written.Console.print, []

    def losing(console, *what, **how):
        seen.extend(["held-out"] * ("held-out" in str(what)))
        if len(seen) > 1:
            raise BrokenPipeError
        return real(console, *what, **how)

    monkeypatch.setattr("rich.console.Console.print", losing)
    assert run(monkeypatch, Terminal("utf-8"), "train", "village", *SMALL, "train.steps=500", "--name", "a") == 141
    steps = sorted(path.name for path in (tmp_path / "runs/a/checkpoints").iterdir())
    assert len(steps) == 2 and int(steps[-1]) < 500


def test_fault_36_the_end_of_a_process_is_as_silent():
    code = "from glassformer.cli import main; main()"
    command = [sys.executable, "-c", code, "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_closed_standard_output_is_no_error(at_the_run, monkeypatch):
    assert run(monkeypatch, None, "generate", "runs/tiny") == 0


@pytest.mark.parametrize(
    "words", [["prepare", "village"], ["train", "village"], ["plan"], ["tokenize", "--report", "village"]]
)
def test_fault_25_ctrl_c_is_answered_with_a_word_and_130(monkeypatch, glass, words):
    def stopped(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("glassformer.data.prepare.prepare", stopped)
    monkeypatch.setattr("glassformer.recipes.build.prepare", stopped)
    monkeypatch.setattr("glassformer.lab.plan.terminal.plan", stopped)
    monkeypatch.setattr("glassformer.lens.tokens.terminal.usage", stopped)
    code, _, err = glass(*words)
    assert code == 130 and "stopped" in err and "Traceback" not in err


def test_fault_25_a_stopped_preparation_says_that_the_same_command_continues(monkeypatch, glass):
    def stopped(corpus, tokenizer, config, folder, progress, fresh, workers):
        progress("reading", 0, None)
        raise KeyboardInterrupt

    monkeypatch.setattr("glassformer.recipes.build.prepare", stopped)
    code, _, err = glass("prepare", "village")
    assert code == 130 and "the same command continues" in err


def test_fault_25_version(glass):
    from glassformer import __version__

    assert glass("--version") == (0, f"Glassformer {__version__}\n", "")


@pytest.fixture
def without_pyarrow(monkeypatch, tmp_path):
    """A folder with a Parquet file, and no package that reads it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.parquet").write_bytes(b"PAR1")


@pytest.fixture
def started(monkeypatch):
    """What was started instead of a launcher."""
    commands: list[tuple] = []

    def start(command, env, check):
        commands.append((command, env))
        return subprocess.CompletedProcess(command, 7)

    monkeypatch.setattr(cli.subprocess, "run", start)
    return commands


def test_fault_31_the_launcher_installs_what_a_text_needs(glass, monkeypatch, tmp_path, without_pyarrow, started):
    launcher = tmp_path / "glass"
    launcher.touch()
    monkeypatch.setenv("GLASS_LAUNCHED", str(launcher))
    code, _, err = glass("prepare", "texts", "--workers", "1")
    ((command, environment),) = started
    assert code == 7 and "needs pyarrow" in err and "installing it" in err
    assert command == [sys.executable, str(launcher), "prepare", "texts", "--workers", "1"]
    assert environment["GLASS_WITH"] == "data" and "GLASS_LAUNCHED" not in environment


@pytest.mark.parametrize("variables", [{}, {"GLASS_LAUNCHED": __file__, "GLASS_WITH": "data"}])
def test_fault_31_without_a_launcher_or_after_it_the_line_that_works_is_printed(
    glass, monkeypatch, without_pyarrow, started, variables
):
    for name in ("GLASS_LAUNCHED", "GLASS_WITH"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    code, _, err = glass("prepare", "texts")
    assert code == 2 and not started and err.strip().endswith("-m pip install pyarrow")


def test_fault_31_an_environment_of_uv_has_no_pip(monkeypatch):
    from glassformer.system.extra import installation

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert installation("pyarrow").startswith("uv pip install --python ")


def test_fault_25_the_first_call_says_why_it_takes_long(capsys):
    """Another process compiles something that no cache has."""
    code = (
        "import sys, numpy; from glassformer.system import compiled, terminal; terminal.say_notes()\n"
        "import numba; f = numba.njit(lambda x: x + 1); f(1); g = numba.njit(lambda x: x + 2); g(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("happens once") == 1 and done.stdout == ""


def test_fault_25_the_list_of_recipes_needs_no_torch():
    code = (
        "import sys; from glassformer.cli import main; sys.argv = ['glass', 'settings']\n"
        "try: main()\nexcept SystemExit as end: sys.exit(end.code or int('torch' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_list_of_recipes_is_that_of_the_presets():
    from glassformer.cli.settings import recipes
    from glassformer.recipes.presets import presets

    assert recipes() == {name: preset.__doc__ for name, preset in presets().items()}
