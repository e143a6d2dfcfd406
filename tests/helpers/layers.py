"""Reads a package's imports from its source: who imports whom, upward imports, and circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# From the lowest package to the highest; a file may import only its own package and those before it.
ORDER = (
    *("errors", "distributed", "machine", "io", "transforms", "alignment", "losses", "models", "datasets", "training"),
    *("evaluation", "analysis", "plots", "export", "reports", "experiments", "app", "course", "cli"),
)


def imports(file: Path, root: Path) -> Iterator[str]:
    """Yield the dotted names below the package ``root`` that a file imports, wherever the import stands in it."""
    package = [root.name, *file.relative_to(root).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found = [f"{module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        yield from (name for name in found if name == root.name or name.startswith(f"{root.name}."))


def file_of(name: str, root: Path) -> Path:
    """Return the file that a dotted name means: the deepest module on its way."""
    place = root
    for part in name.split(".")[1:]:
        if (place / part).is_dir():
            place = place / part
        elif (place / f"{part}.py").is_file():
            return place / f"{part}.py"
        else:
            break
    return place / "__init__.py"


def graph(root: Path) -> dict[Path, set[Path]]:
    """Return the files of a package, each with the files that it imports."""
    files = sorted(root.rglob("*.py"))
    return {file: {file_of(name, root) for name in imports(file, root)} - {file} for file in files}


def layer(file: Path, root: Path) -> str:
    """Return the package or module directly below ``root`` that a file belongs to; "" for the root itself."""
    return file.relative_to(root).with_suffix("").parts[0] if file.parent != root or file.stem != "__init__" else ""


def upward(root: Path, order: tuple[str, ...] = ORDER) -> list[str]:
    """Name the imports that run upwards, and the packages that have no place in the order."""
    place: dict[str, float] = {"__main__": len(order), **{name: index for index, name in enumerate(order)}}
    # The public interface stands right above the highest package that it names: packages above that may use it.
    stub = root / "__init__.pyi"
    named = [layer(file_of(name, root), root) for name in imports(stub, root)] if stub.exists() else []
    place[""] = max((place.get(name, len(order)) for name in named), default=len(order)) + 0.5
    found = []
    for file in sorted(root.rglob("*.py")):
        here = layer(file, root)
        if here not in place:
            found.append(f"{here} is not in the order")
            continue
        for name in imports(file, root):
            there = layer(file_of(name, root), root)
            if name != f"{root.name}.__version__" and place.get(there, -1) > place[here]:
                found.append(f"{file.relative_to(root)} imports {name}")
    return found


def mutual(root: Path) -> list[tuple[str, str]]:
    """Return the pairs of packages that import each other."""
    edges = {(layer(a, root), layer(b, root)) for a, others in graph(root).items() for b in others}
    return sorted((a, b) for a, b in edges if a < b and (b, a) in edges and "" not in (a, b))


def circle(root: Path) -> list[str]:
    """Return one circle of files, each importing the next; empty if there is none."""
    try:
        TopologicalSorter({file: others - {root / "__init__.py"} for file, others in graph(root).items()}).prepare()
    except CycleError as error:
        return [str(file.relative_to(root)) for file in error.args[1]][::-1]
    return []


def long_functions(root: Path, most: int) -> list[str]:
    """Name the functions and methods of more than ``most`` lines, from decorator to last line."""
    found = []
    for file in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                lines = (node.end_lineno or first) - first + 1
                if lines > most:
                    found.append(f"{file.relative_to(root)}: {node.name} has {lines} lines")
    return found


def import_effects(root: Path) -> list[str]:
    """Name the statements that do something when a module is imported: calls, loops, and changes of other objects."""
    acts = (ast.For, ast.While, ast.With, ast.AugAssign, ast.Delete)
    found = []
    for file in sorted(root.rglob("*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            call = isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
            change = isinstance(node, ast.Assign) and any(
                isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets
            )
            branch = isinstance(node, ast.If) and not {"__name__", "TYPE_CHECKING"} & set(_names(node.test))
            if call or change or branch or isinstance(node, acts):
                found.append(f"{file.relative_to(root)}:{node.lineno}")
    return found


def _names(node: ast.AST) -> list[str]:
    return [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
