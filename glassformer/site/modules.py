"""What the package's modules say of themselves: docstrings and signatures, read from their source (nothing is imported)."""

import ast
from pathlib import Path
from typing import NamedTuple

import glassformer

PACKAGE = Path(glassformer.__file__).resolve().parent
NOT_API = ("cli", "site")  # verbs are documented by --help, and this folder only serves one of them


class Item(NamedTuple):
    """A public function or class, or a public name in capitals with a docstring below it."""

    kind: str
    """"function", "class", "method" or "data"."""
    name: str
    signature: str
    """"(x: Tensor) -> Tensor"; empty for data and for a class without an `__init__` of its own."""
    doc: str
    line: int
    members: list["Item"]
    """The public methods of a class."""


class Module(NamedTuple):
    """One file of the package."""

    name: str
    """With dots: "glassformer.kernels.softmax"."""
    path: Path
    """Below the repository: glassformer/kernels/softmax.py."""
    doc: str
    items: list[Item]

    @property
    def folder(self) -> str:
        """The package that it stands in, with dots; a package stands in itself."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]


def modules() -> list[Module]:
    """Every public module of the package with a docstring, by name."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if any(part.startswith("_") for part in parts) or set(parts[1:2]) & set(NOT_API):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if doc := ast.get_docstring(tree):
            name = ".".join(parts)
            found.append(Module(name, path.relative_to(PACKAGE.parent), doc, _items(tree.body)))
    return sorted(found, key=lambda module: module.name)


def plain_code(module: Module) -> str:
    """The source of a formula's `plain`, or "" where it has none."""
    text = (PACKAGE.parent / module.path).read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name == "plain":
            return ast.get_source_segment(text, node) or ""
    return ""


def _items(body: list[ast.stmt], inside: str = "") -> list[Item]:
    found = []
    for node, after in zip(body, [*body[1:], None]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            kind = "method" if inside else "function"
            found.append(Item(kind, node.name, _signature(node), ast.get_docstring(node) or "", node.lineno, []))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            begin = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
            signature = _signature(begin[0]).partition(" -> ")[0] if begin else ""
            members = _items(node.body, node.name)
            found.append(Item("class", node.name, signature, ast.get_docstring(node) or "", node.lineno, members))
        elif (name := _named(node)) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            doc = str(after.value.value)
            found.append(Item("data", name, "", doc, node.lineno, []))
    return found


def _named(node: ast.stmt) -> str:
    """The public name that a statement gives a value, or ""."""
    target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
    return target.id if isinstance(target, ast.Name) and not target.id.startswith("_") else ""


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = ast.parse(f"def f({ast.unparse(node.args)}): pass").body[0].args  # type: ignore[attr-defined]
    places = arguments.posonlyargs or arguments.args
    if places and places[0].arg in ("self", "cls"):
        places.pop(0)
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(arguments)}){returned}"
