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
    "files": ["errors"],
    "folders": ["files"],
    "workers": [],
    "machine": ["files"],
    "runs": ["files"],
    "report": ["runs"],
    "config": ["errors"],
    "blame": ["config"],
    "kernels": ["config"],
    "model": ["kernels"],
    "contracts": ["model", "blame"],
    "tokenizers": ["config", "files"],
    "interchange": ["tokenizers"],
    "corpora": ["config", "files", "workers"],
    "data": ["tokenizers", "corpora", "folders"],
    "check": ["data", "report"],
    "parallel": ["model"],
    "train": ["model", "data", "parallel", "runs", "machine"],
    "generate": ["model", "tokenizers"],
    "presets": ["train", "generate"],
    "pipeline": ["presets", "report", "blame"],
    "listing": ["presets"],
    "words": ["presets"],
    "preparing": ["data"],
    "tokens": ["interchange", "presets"],
    "judge": ["pipeline"],
    "plan": ["pipeline"],
    "demo": ["judge"],
    "compare": ["judge", "plan", "words"],
    "finetune": ["train", "generate"],
    "compress": ["train", "generate"],
    "retrieve": ["train", "generate"],
    "vision": ["train", "generate"],
    "lens": ["train", "generate"],
    "export": ["presets", "interchange"],
    "serve": ["pipeline", "finetune", "compress", "retrieve", "vision", "lens", "export"],
    "course": ["pipeline", "finetune", "compress", "retrieve", "vision", "lens", "export"],
    "verbs": ["contracts", "preparing", "tokens", "check", "plan", "compare", "words"],
    "cli": ["verbs", "listing", "demo", "serve", "course"],
}
TORCH_FREE = [
    "errors",
    "files",
    "folders",
    "workers",
    "runs",
    "report",
    "config",
    "tokenizers",
    "interchange",
    "corpora",
]
FORBIDDEN = ["transformers", "peft", "trl", "accelerate", "lightning", "pytorch_lightning", "pickle", "dill", "joblib"]
FORBIDDEN_NAMES = ["torch.save", "nn.MultiheadAttention", "nn.Transformer"]
COMES_WITH = {"pydantic_core": "pydantic"}

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


def test_imports_point_down():
    def is_wrong(path, name):
        words = name.split(".")
        inside = words[0] == "glassformer" and len(words) > 1 and words[1] in BELOW
        return inside and part(path) in BELOW and words[1] not in reachable(part(path))

    assert not offences(FILES, is_wrong)


def test_a_variant_knows_no_sibling_but_full_which_the_sparse_ones_vary():
    def is_wrong(path, name):
        words, folder = name.split("."), ["glassformer", *path.relative_to(PACKAGE).parent.parts]
        sibling = words[:-2] == folder and path.stem != "__init__" and (path.parent / f"{words[-2]}.py").exists()
        return sibling and name != "glassformer.model.mixer.full.Attention"

    slots = [path for path in FILES if part(path) == "model" and path.parent.name != "model"]
    assert not offences(slots, is_wrong)


def test_training_and_generation_do_not_know_each_other():
    assert "train" not in reachable("generate") and "generate" not in reachable("train")


def test_torch_is_only_where_there_are_tensors():
    paths = [path for path in FILES if part(path) in TORCH_FREE or (part(path) == "data" and path.stem != "batches")]
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
    lines = project["dependencies"] + project["optional-dependencies"]["data"]
    declared = {re.split(r"[<>=~!\[; ]", line)[0].replace("-", "_") for line in lines}
    imported = {name.split(".")[0] for path in FILES for _, name in imports(path)}
    outside = {COMES_WITH.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"glassformer"}}
    assert outside == declared


@pytest.mark.parametrize("extra", ["pyarrow", "datasets"])
def test_what_is_extra_is_imported_late(extra):
    code = f"import sys, glassformer.cli, glassformer.corpora.files; sys.exit('{extra}' in sys.modules)"
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
