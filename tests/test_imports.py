"""Imports point down: who may import whom, and what may not be imported at all (DESIGN.md, "Who may import whom")."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "glassformer"

# A part may import those named here and whatever those may import.
BELOW = {
    "errors": [],
    "system": ["errors"],
    "kernels": ["system"],
    "config": ["system"],
    "pages": ["system"],
    "corpora": ["config"],
    "tokenizers": ["config"],
    "data": ["corpora", "tokenizers", "kernels"],
    "model": ["config", "kernels"],
    "parallel": ["model"],
    "runs": ["model", "tokenizers", "pages"],
    "train": ["model", "data", "runs", "parallel"],
    "generate": ["model", "tokenizers"],
    "recipes": ["train", "generate"],
    "finetune": ["recipes"],
    "compress": ["recipes"],
    "vision": ["recipes"],
    "retrieve": ["generate"],
    "export": ["runs", "tokenizers"],
    "lab": ["recipes", "pages"],
    "lens": ["recipes", "pages"],
    "serve": ["lab", "lens", "finetune", "compress", "vision", "retrieve", "export"],
    "course": ["lab", "lens", "finetune", "compress", "vision", "retrieve", "export"],
    "lessons": ["recipes", "pages"],
    "site": ["lessons"],
    "cli": ["serve", "course", "lessons", "site"],
    "__main__": ["cli"],
}
LOOSE = {"__init__.py", "__main__.py", "errors.py"}  # the only files beside the folders
TORCH_FREE = ["errors", "config", "system", "pages", "corpora", "tokenizers"]
WITH_TORCH = {"data": ["batches"]}  # in these parts only these modules import it
PICKLES = ["pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"]
FORBIDDEN = ["transformers", "peft", "trl", "accelerate", "lightning", "pytorch_lightning", *PICKLES]
FORBIDDEN_NAMES = [
    "torch.save", "torch.jit.load", "torch.package", "read_pickle", "to_pickle", "nn.MultiheadAttention", "nn.Transformer"
]
COMES_WITH = {
    "llvmlite": "numba",
    "pydantic_core": "pydantic", "markdown_it": "rich", "pygments": "rich", "markupsafe": "jinja2", "IPython": "jupyterlab",
    "nbformat": "jupytext",
}  # fmt: skip
SHOWS = ("terminal", "page")  # what modules that print and draw are called
PRINTS = ["cli", "lens", "lessons"]  # parts whose every module may print
ARITHMETIC = ["math", "statistics", "numpy", "torch"]

FILES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The top-level part of the package that a file belongs to: "model" for glassformer/model/norm/rmsnorm.py."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@functools.cache
def imports(path: Path) -> list[tuple[int, str]]:
    """(line, absolute dotted name) of everything a file imports, wherever in the file the import stands."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folder = ["glassformer", *path.relative_to(PACKAGE).parent.parts]
                base = ".".join([*folder[: len(folder) - node.level + 1], *filter(None, [base])])
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


@functools.cache
def reachable(name: str) -> frozenset[str]:
    return frozenset({name}.union(*(reachable(below) for below in BELOW[name])))


def offences(paths: list[Path], is_wrong) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in paths
        for line, name in imports(path)
        if is_wrong(path, name)
    ]


def test_every_part_has_its_place_in_the_table():
    unplaced = {part(path) for path in FILES} - set(BELOW) - {"__init__"}
    assert not unplaced, f"say in BELOW what {sorted(unplaced)} may import"


def test_only_errors_and_main_stand_loose():
    assert {path.name for path in PACKAGE.glob("*.py")} == LOOSE


def folders() -> dict[str, set[str]]:
    """Each folder of the package (and each of data/, lab/ ... one level down) -> the folders that its files import."""
    arrows: dict[str, set[str]] = {}
    for path in FILES:
        here = part(path)
        for _, name in imports(path):
            words = name.split(".")
            if words[0] == "glassformer" and len(words) > 1 and words[1] != here and words[1] in BELOW:
                arrows.setdefault(here, set()).add(words[1])
    return arrows


def test_no_circle_among_the_folders():
    arrows, settled = folders(), set()
    while waiting := {name for name in BELOW if name not in settled}:
        free = {name for name in waiting if not arrows.get(name, set()) - settled}
        assert free, f"these import each other in a circle: {sorted(waiting)}"
        settled |= free


def test_imports_point_down():
    def is_wrong(path, name):
        words = name.split(".")
        inside = words[0] == "glassformer" and len(words) > 1 and words[1] in BELOW
        return inside and part(path) in BELOW and words[1] not in reachable(part(path))

    assert not offences(FILES, is_wrong)


def test_only_terminals_print():
    elsewhere = [path for path in FILES if part(path) not in PRINTS and path.stem != "terminal"]
    assert not offences(elsewhere, lambda path, name: name.split(".")[0] == "rich")
    assert not [
        f"{path.relative_to(ROOT)}:{node.lineno} calls {ast.unparse(node.func)}"
        for path in elsewhere
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and re.search(r"(^|\.)(console|screen)\.\w+$|^print$", ast.unparse(node.func))
    ]


def test_commands_call_terminals_and_terminals_call_pages():
    def is_wrong(path, name):
        shown = [word for word in name.split(".")[2:] if word in SHOWS] if name.startswith("glassformer.") else []
        below = shown == ["page"] or name.startswith("glassformer.system.terminal.")
        return shown and part(path) not in PRINTS and not (below and path.stem == "terminal")

    assert not offences(FILES, is_wrong)


def test_what_shows_computes_nothing():
    showing = [path for path in FILES if path.stem in SHOWS and part(path) not in PRINTS]
    assert not offences(showing, lambda path, name: name.split(".")[0] in ARITHMETIC)


def test_a_variant_knows_no_sibling_but_full_which_the_sparse_ones_vary():
    def is_wrong(path, name):
        words, folder = name.split("."), ["glassformer", *path.relative_to(PACKAGE).parent.parts]
        sibling = words[:-2] == folder and path.stem != "__init__" and (path.parent / f"{words[-2]}.py").exists()
        return sibling and name != "glassformer.model.mixer.full.Attention"

    slots = [path for path in FILES if part(path) == "model" and path.parent.name not in ("model", "cache")]
    assert not offences(slots, is_wrong)


def test_training_and_generation_do_not_know_each_other():
    assert "train" not in reachable("generate") and "generate" not in reachable("train")


def test_torch_is_only_where_there_are_tensors():
    paths = [
        path for path in FILES
        if part(path) in TORCH_FREE or (part(path) in WITH_TORCH and path.stem not in WITH_TORCH[part(path)])
    ]  # fmt: skip
    assert not offences(paths, lambda path, name: name.split(".")[0] == "torch")


def test_the_package_is_written_from_scratch_and_never_pickles():
    assert not offences(FILES, lambda path, name: name.split(".")[0] in FORBIDDEN)
    pattern = re.compile(r"\b(" + "|".join(FORBIDDEN_NAMES) + r")")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} uses {ast.unparse(node)}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and pattern.search(ast.unparse(node))
    ]
    assert not found
    assert not offences(FILES, lambda path, name: re.search(r"nn\.(\w+\.)*(MultiheadAttention|Transformer)", name))


def test_a_foreign_pickle_is_read_as_tensors_only():
    calls = [
        (path, node)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load"
    ]
    for path, node in calls:
        assert path.is_relative_to(PACKAGE / "export") and "weights_only=True" in ast.unparse(node), ast.unparse(node)


def test_no_array_is_read_through_a_pickle():
    calls = [node for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    given = [ast.unparse(call) for call in calls for word in call.keywords if word.arg == "allow_pickle"]
    assert all("allow_pickle=False" in call for call in given), given


def test_no_forward_pass_reads_the_environment():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if part(path) in ("model", "kernels")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]
    assert not found


def test_dependencies_are_those_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "test"}
    lines = project["dependencies"] + [line for lines in extras.values() for line in lines]
    declared = {re.split(r"[<>=~!\[; ]", line)[0].replace("-", "_") for line in lines}
    imported = {name.split(".")[0] for path in FILES for _, name in imports(path)}
    outside = {COMES_WITH.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"glassformer"}}
    assert outside == declared


@pytest.mark.parametrize("extra", ["pyarrow", "datasets", "tensorboard", "wandb", "trackio", "matplotlib", "jupytext"])
def test_what_is_extra_is_imported_late(extra):
    ours = "glassformer.cli, glassformer.corpora.files, glassformer.runs.dashboard"
    code = f"import sys, {ours}; sys.exit('{extra}' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("module", [*TORCH_FREE, "cli"])
def test_torch_is_not_loaded_by(module):
    code = f"import sys, glassformer.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("model/block.py", "from glassformer.kernels import softmax", ["glassformer.kernels.softmax"]),
        ("model/block.py", "from .norm import x", ["glassformer.model.norm.x"]),
        ("model/norm/rmsnorm.py", "from ... import train", ["glassformer.train"]),
        ("model/norm/rmsnorm.py", "def f():\n    from ..gpt import GPT", ["glassformer.model.gpt.GPT"]),
        ("cli.py", "import torch.nn as nn, os", ["torch.nn", "os"]),
    ],
)
def test_the_reader_of_imports_sees(tmp_path, monkeypatch, file, text, expected):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert [name for _, name in imports(path)] == expected
