"""The house rules that a machine can check: lint, types, sizes, and nothing in the repository of one machine only."""

import ast
import re
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "glassformer").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION, LARGEST_KB = 400, 80, 256

# Written so that no pattern matches itself.
OF_ONE_MACHINE = {
    "a path of one machine": r"(?<![\w.~])/(?:ro[o]t|wo[r]k|home/\w+|Use[r]s/\w+|op[t]/(?:wheels|pypi))/",
    "a private address": r"\b(?:10\.\d+|192\.16[8]|172\.(?:1[6-9]|2\d|3[01]))\.\d+\.\d+\b",
    "a package index": r"(?:extra-)?index-url\s*[= ]\s*[\"']?(?:http|file)",
}


def tracked() -> list[Path]:
    """The files that git would hand to a stranger."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("not a git checkout")
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def run(*command: str, timeout: int = 240) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def test_ruff_finds_nothing():
    done = run(sys.executable, "-m", "ruff", "check", "--output-format=concise", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_version_of_ruff_lints_everywhere():
    asked = re.search(r'"ruff==([\d.]+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    before_commits = re.search(r"rev: v([\d.]+)", (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert asked and before_commits and asked[1] == before_commits[1] == version("ruff")


def test_the_version_is_told_once_and_the_same_everywhere():
    told = {
        name: re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M)[1]  # type: ignore[index]
        for name, pattern in {
            "pyproject.toml": r'^version = "(.+)"', "glassformer/__init__.py": r'^__version__ = "(.+)"',
            "CITATION.cff": r"^version: (.+)", "CHANGELOG.md": r"^## (\d.+)",
        }.items()
    }  # fmt: skip
    assert len(set(told.values())) == 1, told


def test_types_agree():
    pytest.importorskip("pyright")
    try:
        done = run(sys.executable, "-m", "pyright", "--pythonpath", sys.executable)
    except subprocess.TimeoutExpired:
        pytest.skip("pyright did not start: it needs Node.js and fetches it when there is none")
    if not re.search(r"\d+ errors?, ", done.stdout):
        pytest.skip(f"pyright did not start: {(done.stdout + done.stderr).strip()[-300:]}")
    assert done.returncode == 0, done.stdout


def test_files_fit_a_sitting():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert not {name: n for name, n in lengths.items() if n > LONGEST_FILE}


def test_functions_fit_a_screen_or_two():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_every_module_says_what_it_is():
    assert not [str(path.relative_to(ROOT)) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]


def test_nothing_is_of_one_machine():
    found = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a binary file
        for number, line in enumerate(lines, 1):
            found += [
                f"{path.relative_to(ROOT)}:{number}: {what}"
                for what, pattern in OF_ONE_MACHINE.items()
                if re.search(pattern, line)
            ]
    assert not found


def without_encoding(source: str) -> list[int]:
    """Lines that open a text file without saying its encoding: on Windows it would be another one."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or any(word.arg == "encoding" for word in node.keywords):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        mode = [n.value for n in [*node.args[1:2], *(w.value for w in node.keywords if w.arg == "mode")]
                if isinstance(n, ast.Constant)]  # fmt: skip
        if called in ("read_text", "write_text") or (
            isinstance(node.func, ast.Name) and called == "open" and "b" not in str(mode)
        ):
            lines.append(node.lineno)
    return lines


def test_every_text_file_says_its_encoding():
    sources = [*FILES, ROOT / "glass"]
    found = {str(path.relative_to(ROOT)): without_encoding(path.read_text(encoding="utf-8")) for path in sources}
    assert not {name: lines for name, lines in found.items() if lines}
    assert without_encoding("p.read_text()\nopen(p)\nopen(p, 'w')\nopen(p, 'rb')") == [1, 2, 3]


def test_no_data_set_is_committed():
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size // 1024
        for path in tracked()
        if "glassformer/weights" not in path.as_posix()  # tests/cli/test_shipped.py says how large those may be
    }
    assert not {name: f"{size} kB" for name, size in large.items() if size > LARGEST_KB}
    kinds = {".bin", ".npy", ".npz", ".parquet", ".arrow", ".safetensors", ".gguf", ".pt", ".pth", ".ckpt", ".pkl"}
    assert not [name for name in large if Path(name).suffix in kinds]


def test_no_measurement_hides_a_package():
    """`python bench/x.py` looks into bench/ first, whoever imports: a tokenizers.py there was what transformers got."""
    taken = set(packages_distributions()) | sys.stdlib_module_names
    assert not [path.name for path in (ROOT / "bench").glob("*.py") if path.stem in taken]


def test_the_patterns_catch_what_they_name():
    for end in ("root/x", "home/ann/x", "opt/wheels/torch.whl"):
        assert any(re.search(pattern, "/" + end) for pattern in OF_ONE_MACHINE.values()), end
    for text in ("10.0.0." + "7", "192.168." + "1.1", "--index-url " + "http://x"):
        assert any(re.search(pattern, text) for pattern in OF_ONE_MACHINE.values()), text
    for text in ("network/data", "https://arxiv.org/abs/2104.09864", "version 10.2.1", "127.0.0.1", "~/work/x"):
        assert not any(re.search(pattern, text) for pattern in OF_ONE_MACHINE.values()), text
