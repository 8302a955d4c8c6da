"""`./glass`, the launcher: what it decides, what it remembers, how it fails. Nothing is really installed here."""

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MISSING = "ERROR: No matching distribution found for torch"
CPU = ("2.13.0+cpu", False)
CUDA = ("2.13.0+cu130", True)


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """The launcher as a module, pointed at a scratch clone."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("launcher", str(ROOT / "glass"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("launcher", loader))
    loader.exec_module(module)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for name in ("ROOT", "VENV", "STAMP", "LOCK", "PYPROJECT", "BIN", "PYTHON", "GLASS"):
        moved = Path(getattr(module, name)).relative_to(ROOT)
        monkeypatch.setattr(module, name, str(tmp_path / moved))
    return module


class Machine:
    """Stands in for pip and venv: answers each installation from a table, records what was asked."""

    def __init__(self, launcher, monkeypatch, failing=None, torch=None, borrowed=None, nvidia=False):
        self.launcher, self.failing, self.torch, self.borrowed = launcher, failing or {}, torch, borrowed
        self.commands: list[list[str]] = []
        monkeypatch.setattr(launcher, "run", self.run)
        monkeypatch.setattr(launcher, "torch_in", self.torch_in)
        monkeypatch.setattr(launcher, "has_nvidia", lambda: nvidia)
        monkeypatch.setattr(launcher, "answers", lambda address: False)
        monkeypatch.setattr(launcher.platform, "system", lambda: "Linux")
        monkeypatch.setattr(launcher.platform, "machine", lambda: "x86_64")

    def run(self, what, command, lock, otherwise="failed"):
        self.commands.append(command)
        for key, said in self.failing.items():
            if key in command:
                if isinstance(said, BaseException):
                    raise said
                return False, said
        if "venv" in command:
            os.makedirs(self.launcher.BIN, exist_ok=True)
            os.symlink(sys.executable, self.launcher.PYTHON)
            self.torch = self.borrowed if "--system-site-packages" in command else None
            Path(self.launcher.VENV, "built").touch()
        if "--editable" in command:
            Path(self.launcher.GLASS).touch()
        elif "pip" in command:
            self.torch = CPU
        return True, f"{self.launcher.PYTHON} 2.13.0+cpu"

    def torch_in(self, python):
        return self.torch if python == self.launcher.PYTHON else self.borrowed

    @property
    def pip_arguments(self):
        return [[word for word in c[4:] if not word.startswith("--") or word == "--index-url"] for c in self.pips]

    @property
    def pips(self):
        return [command for command in self.commands if "pip" in command]


def stamp(launcher):
    return json.loads(Path(launcher.STAMP).read_text())


# ------------------------------------------------------------------------------------------------ which torch


@pytest.mark.parametrize(
    ("gpu", "system", "machine", "index", "expected"),
    [
        (True, "Linux", "x86_64", True, ["torch>=2.9,<2.16"]),
        (False, "Darwin", "arm64", True, ["torch>=2.9,<2.16"]),
        (False, "Windows", "AMD64", True, ["torch>=2.9,<2.16"]),
        (False, "Linux", "aarch64", True, ["torch>=2.9,<2.16"]),
        (False, "Linux", "x86_64", False, ["torch==2.13.0+cpu", "torch>=2.9,<2.16"]),
        (False, "Linux", "x86_64", True, ["torch==2.13.0+cpu", "torch>=2.9,<2.16 INDEX", "torch>=2.9,<2.16"]),
    ],
)
def test_torch_choices_follow_the_machine(launcher, gpu, system, machine, index, expected):
    choices = launcher.torch_choices("torch>=2.9,<2.16", gpu, system, machine, lambda address: index)
    found = [words[0] + (" INDEX" if "--index-url" in words else "") for _, words in choices]
    assert found == expected


def test_the_index_is_asked_only_when_no_local_wheel_is_found(launcher):
    asked = []
    choices = launcher.torch_choices("torch", False, "Linux", "x86_64", asked.append)
    next(choices)
    assert asked == []
    next(choices)
    assert asked == [launcher.CPU_INDEX + "/torch/"]


@pytest.mark.parametrize(
    ("torch", "gpu", "expected"),
    [(None, False, False), (CPU, False, True), (CPU, True, False), (CUDA, True, True), (CUDA, False, True)]
    + [((version, True), True, inside) for version, inside in [("2.8.0", False), ("2.9.0a0+git1", True)]]
    + [((version, True), True, inside) for version, inside in [("2.15.1", True), ("2.16.0", False), ("3.0", False)]],
)
def test_a_torch_fits_when_it_is_in_range_and_can_use_the_gpu(launcher, torch, gpu, expected):
    assert launcher.fits(torch, "torch>=2.9,<2.16", gpu) is expected


def test_the_range_is_that_of_pyproject(launcher):
    assert launcher.torch_range() in (ROOT / "pyproject.toml").read_text()


def test_no_answer_within_the_time_means_no(launcher):
    assert launcher.answers("http://127.0.0.1:9/", seconds=0.2) is False


# ------------------------------------------------------------------------------------------- a whole installation


def test_a_fresh_install_is_stamped_and_then_ready(launcher, monkeypatch):
    machine = Machine(launcher, monkeypatch)
    assert not launcher.is_ready([])
    launcher.install([])
    assert machine.pip_arguments == [["torch==2.13.0+cpu", "1"], [launcher.ROOT]]
    assert launcher.is_ready([]) and not launcher.is_ready(["test"])


def test_torch_of_the_launching_python_is_used(launcher, monkeypatch):
    machine = Machine(launcher, monkeypatch, borrowed=CUDA, nvidia=True)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    launcher.install([])
    assert "--system-site-packages" in machine.commands[0]
    assert machine.pip_arguments == [[launcher.ROOT]]


def test_with_a_gpu_a_cpu_only_torch_is_not_borrowed(launcher, monkeypatch):
    machine = Machine(launcher, monkeypatch, borrowed=CPU, nvidia=True)
    monkeypatch.setattr(launcher, "fits", lambda torch, wanted, gpu: torch is not None and not gpu)
    launcher.install([])
    assert "--system-site-packages" not in machine.commands[0]
    assert machine.pip_arguments == [["torch>=2.9,<2.16"], [launcher.ROOT]]


def test_more_extras_keep_the_earlier_ones_and_the_venv(launcher, monkeypatch):
    machine = Machine(launcher, monkeypatch)
    launcher.install([])
    launcher.install(["test"])
    assert stamp(launcher)["extras"] == ["test"]
    Path(launcher.PYPROJECT).write_text(Path(launcher.PYPROJECT).read_text() + "\n")
    assert not launcher.is_ready([])
    launcher.install([])
    assert launcher.is_ready(["test"])
    assert sum("venv" in command for command in machine.commands) == 1
    assert sum("torch==2.13.0+cpu" in command for command in machine.commands) == 1


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), SystemExit(143)])
@pytest.mark.parametrize("where", ["venv", "torch==2.13.0+cpu", "--editable"])
def test_an_interrupted_install_is_made_anew(launcher, monkeypatch, where, interruption):
    with pytest.raises(type(interruption)):
        Machine(launcher, monkeypatch, failing={where: interruption}) and launcher.install([])
    assert not launcher.is_ready([]) and stamp(launcher) == launcher.INSTALLING
    machine = Machine(launcher, monkeypatch)
    launcher.install([])
    assert launcher.is_ready([]) and "venv" in machine.commands[0]


def test_a_failed_download_goes_on_from_where_it_was(launcher, monkeypatch):
    Machine(launcher, monkeypatch, failing={"--editable": "ERROR: No matching distribution found for regex"})
    with pytest.raises(launcher.Failed, match="regex"):
        launcher.install([])
    assert not launcher.is_ready([])
    machine = Machine(launcher, monkeypatch, torch=CPU)
    launcher.install([])
    assert launcher.is_ready([]) and machine.pip_arguments == [[launcher.ROOT]]


def test_a_full_disk_stops_at_once_and_is_made_anew(launcher, monkeypatch):
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
    machine = Machine(launcher, monkeypatch, failing={"torch==2.13.0+cpu": said})
    with pytest.raises(launcher.Failed, match="disk is full"):
        launcher.install([])
    assert len(machine.pips) == 1 and stamp(launcher) == launcher.INSTALLING


def test_without_a_local_wheel_the_next_choice_is_taken(launcher, monkeypatch):
    machine = Machine(launcher, monkeypatch, failing={"torch==2.13.0+cpu": MISSING})
    launcher.install([])
    assert machine.pip_arguments[1] == ["torch>=2.9,<2.16"] and launcher.is_ready([])


def test_a_venv_made_by_hand_is_kept(launcher, monkeypatch):
    os.makedirs(launcher.BIN)
    os.symlink(sys.executable, launcher.PYTHON)
    monkeypatch.setattr(launcher, "output", lambda *command: "True")
    machine = Machine(launcher, monkeypatch, torch=CPU)
    launcher.install([])
    assert machine.pip_arguments == [[launcher.ROOT]] and launcher.is_ready([])


def test_a_borrowed_torch_that_is_gone_is_noticed(launcher, monkeypatch):
    Machine(launcher, monkeypatch, borrowed=CPU)
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    launcher.install([])
    Path(launcher.STAMP).write_text(json.dumps(stamp(launcher) | {"torch": "/nowhere/torch/__init__.py"}))
    assert not launcher.is_ready([])
    machine = Machine(launcher, monkeypatch)
    launcher.install([])
    assert launcher.is_ready([]) and machine.pip_arguments[0][0] == launcher.CPU_WHEEL


def break_python(launcher):
    os.remove(launcher.PYTHON)
    os.symlink("/nowhere/python3", launcher.PYTHON)


def change_python(launcher):
    os.remove(launcher.PYTHON)
    os.symlink("/bin/sh", launcher.PYTHON)


def move_clone(launcher):
    Path(launcher.STAMP).write_text(json.dumps(stamp(launcher) | {"root": "/elsewhere"}))


def tear_stamp(launcher):
    Path(launcher.STAMP).write_text('{"pyproj')


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
@pytest.mark.parametrize("damage", [break_python, change_python, move_clone, tear_stamp])
def test_a_broken_venv_is_noticed_and_made_anew(launcher, monkeypatch, damage):
    Machine(launcher, monkeypatch)
    launcher.install([])
    damage(launcher)
    assert not launcher.is_ready([])
    machine = Machine(launcher, monkeypatch)
    launcher.install([])
    assert launcher.is_ready([]) and "venv" in machine.commands[0]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_a_link_to_the_environment_of_another_copy_is_not_emptied(launcher, monkeypatch, tmp_path):
    machine = Machine(launcher, monkeypatch)
    launcher.install([])
    other, theirs = tmp_path / "other", tmp_path / "theirs"
    other.mkdir()
    (other / "pyproject.toml").touch()
    Path(launcher.STAMP).write_text(json.dumps(stamp(launcher) | {"root": str(other)}))
    os.rename(launcher.VENV, theirs)
    os.symlink(theirs, launcher.VENV)
    machine.commands.clear()
    with pytest.raises(launcher.Failed, match="delete the link"):
        launcher.install([])
    assert not machine.commands and (theirs / "built").exists()


# ------------------------------------------------------------------------------------------------ what a user sees


def test_help_before_any_install_installs_nothing(launcher, capsys):
    assert launcher.main(["--help"]) == 0
    assert "./glass demo" in capsys.readouterr().out
    assert not os.path.exists(launcher.VENV)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (MISSING, "install another Python"),
        ("ERROR: NewConnectionError: Failed to establish a connection\n" + MISSING, "check the network"),
        ("The virtual environment was not created because ensurepip is not available", "-venv`"),
        ("[Errno 28] No space left on device", "free 2 GB"),
        ("something else", "delete the folder .venv"),
    ],
)
def test_a_failure_shows_the_last_lines_and_the_remedy(launcher, monkeypatch, capsys, said, remedy):
    Machine(launcher, monkeypatch, failing={"--editable": "first\n" * 50 + said})
    assert launcher.main(["demo"]) == 2
    shown = capsys.readouterr().err
    assert all(line in shown for line in said.splitlines())
    assert remedy in shown.splitlines()[-1] and shown.count("first") < 12


def test_a_folder_that_cannot_be_written_is_one_sentence(launcher, monkeypatch, capsys):
    monkeypatch.setattr(launcher, "LOCK", "/nowhere/.venv.lock")
    assert launcher.main(["demo"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_old_python_looks_for_a_newer_one(launcher, monkeypatch, capsys):
    started = []
    monkeypatch.setattr(launcher, "OLDEST", (99, 0))
    monkeypatch.setattr(launcher, "start", started.append)
    monkeypatch.setattr(launcher.shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr(launcher, "output", lambda *command: "True" if command[0] == "python3.12" else "False")
    launcher.main(["demo", "x"])
    assert started == [["/usr/bin/python3.12", os.path.realpath(ROOT / "glass"), "demo", "x"]]
    monkeypatch.setattr(launcher, "output", lambda *command: None)
    assert launcher.main(["demo"]) == 2
    assert "needs Python 99.0 or newer" in capsys.readouterr().err


def test_the_launcher_parses_on_python_3_6():
    import ast

    ast.parse((ROOT / "glass").read_text(), feature_version=(3, 6))


def test_two_launchers_install_one_after_the_other(launcher):
    with launcher.alone(), open(launcher.LOCK, "a") as other:
        assert not launcher.take(other)
    with open(launcher.LOCK, "a") as other:
        assert launcher.take(other)


@pytest.mark.skipif(os.name == "nt", reason="POSIX file locks")
def test_the_lock_outlives_a_killed_launcher_while_its_child_works(launcher):
    with open(launcher.LOCK, "a") as lock:
        assert launcher.take(lock)
        child = subprocess.Popen(["sleep", "30"], pass_fds=[lock.fileno()])
    with open(launcher.LOCK, "a") as other:
        assert not launcher.take(other)
        child.kill()
        child.wait()
        assert launcher.take(other)


def test_run_reports_success_output_and_time(launcher, capfd):
    assert launcher.run("saying", [sys.executable, "-c", "print('hello')"], None) == (True, "hello\n")
    command = [sys.executable, "-c", "raise SystemExit('no')"]
    assert launcher.run("failing", command, None, otherwise="none here") == (False, "no\n")
    shown = capfd.readouterr().err
    assert "glass: saying ... done, " in shown and "glass: failing ... none here, " in shown


def test_fault_31_what_a_verb_turned_out_to_need_is_installed_and_it_starts_again(launcher, monkeypatch):
    machine, started = Machine(launcher, monkeypatch), []
    monkeypatch.setattr(launcher, "start", started.append)
    launcher.install([])
    monkeypatch.setenv(launcher.WITH, "data")
    launcher.main(["train", "texts"])
    assert stamp(launcher)["extras"] == ["data"] and machine.pips[-1][-1] == f"{launcher.ROOT}[data]"
    assert started == [[launcher.GLASS, "train", "texts"]]


def test_fault_25_the_first_start_says_why_it_takes_long(launcher, monkeypatch, capsys):
    Machine(launcher, monkeypatch)
    monkeypatch.setattr(launcher, "start", lambda command: 0)
    launcher.main(["settings"])
    assert "the first start may take 15 s" in capsys.readouterr().err
    launcher.main(["settings"])
    assert capsys.readouterr().err == ""


def test_fault_25_the_version_before_anything_is_installed(launcher, capsys):
    import glassformer

    assert launcher.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"Glassformer {glassformer.__version__} (")
