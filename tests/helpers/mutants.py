"""Wrong answers made from a right one: its source with one piece changed, or its results or arguments changed."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Function = Callable[..., Any]

# Names of functions and attributes, and what a learner may write in their place.
RIVALS = {
    "abs": ["square"],
    "argmax": ["argmin"],
    "argsort": ["sort"],
    "concatenate": ["stack"],
    "cos": ["sin"],
    "eval": ["train"],
    "inf": ["pi"],
    "logsigmoid": ["sigmoid", "tanh", "softplus"],
    "max": ["min", "mean"],
    "mean": ["sum", "median", "std"],
    "norm": ["sum", "max"],
    "relu": ["abs", "sigmoid", "square"],
    "sigmoid": ["tanh", "relu", "exp"],
    "sqrt": ["square", "log", "abs"],
    "square": ["abs", "exp"],
    "std": ["var"],
    "sum": ["mean", "max", "prod"],
    "unique": ["sort"],
    "var": ["std"],
}
BINARY: dict[type, list[type[ast.operator]]] = {
    ast.Add: [ast.Sub, ast.Mult],
    ast.Sub: [ast.Add, ast.Mult],
    ast.Mult: [ast.Div, ast.Add],
    ast.Div: [ast.Mult, ast.Sub],
    ast.Pow: [ast.Mult, ast.Add],
    ast.BitAnd: [ast.BitOr, ast.BitXor],
    ast.BitOr: [ast.BitAnd],
    ast.MatMult: [ast.Mult, ast.Add],
    ast.FloorDiv: [ast.Mult, ast.Mod],
}
COMPARED: dict[type, list[type[ast.cmpop]]] = {
    ast.GtE: [ast.Gt, ast.Lt, ast.LtE],
    ast.Lt: [ast.LtE, ast.Gt, ast.GtE],
    ast.Eq: [ast.NotEq, ast.GtE, ast.LtE],
    ast.NotEq: [ast.Eq],
}


@dataclass(frozen=True)
class Mutant:
    """A wrong answer: what was changed, and the function."""

    what: str
    function: Function


def of_source(code: str, load: Callable[[str], Function], *, trains: bool) -> Iterator[Mutant]:
    """Yield the function with one piece of its source changed, each way once."""
    tree = ast.parse(code)
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    del function.body[0]  # the docstring
    seen = {ast.unparse(tree)}
    nodes = [node for statement in function.body for node in ast.walk(statement)]
    arguments = [argument.arg for argument in function.args.args]
    stored = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names = list(dict.fromkeys([*arguments, *stored]))
    for position, node in enumerate(nodes):
        line = getattr(node, "lineno", 0) - function.lineno
        for other in replacements(node, names, arguments, trains):
            text = ast.unparse(replaced(tree, position, other))
            if text not in seen:
                seen.add(text)
                new = "nothing" if isinstance(other, ast.Pass) else ast.unparse(other)
                yield Mutant(f"line {line}: {ast.unparse(node)} -> {new}", load(text))


def replaced(tree: ast.Module, position: int, other: ast.AST) -> ast.Module:
    """Return the tree with the node at a position (in the order of ``of_source``) exchanged."""
    made = copy.deepcopy(tree)
    function = made.body[-1]
    assert isinstance(function, ast.FunctionDef)
    target = [node for statement in function.body for node in ast.walk(statement)][position]

    class Exchange(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return copy.deepcopy(other) if node is target else self.generic_visit(node)

    exchanged = Exchange().visit(made)
    assert isinstance(exchanged, ast.Module)
    return ast.fix_missing_locations(exchanged)


def replacements(node: ast.AST, names: list[str], arguments: list[str], trains: bool) -> Iterator[ast.AST]:
    """Yield what a mistake may put in a node's place."""
    match node:
        case ast.BinOp(left, operator, right):
            yield from (ast.BinOp(left, new(), right) for new in BINARY.get(type(operator), []))
            yield from (left, right)
            if not isinstance(operator, ast.Add | ast.Mult):
                yield ast.BinOp(right, operator, left)
        case ast.Compare(left, [operator], [right]):
            yield from (ast.Compare(left, [new()], [right]) for new in COMPARED.get(type(operator), []))
        case ast.UnaryOp(_, operand):
            yield operand
        case ast.Constant(value) if isinstance(value, bool):
            yield ast.Constant(not value)
        case ast.Constant(value) if isinstance(value, int | float):
            yield from (ast.Constant(new) for new in (value + 1, value - 1, value * 2, 0, 1) if new != value)
        case ast.Name(name, ast.Load()) if name in names:
            yield from (ast.Name(other, ast.Load()) for other in names if other != name)
            if name in arguments:
                yield from (ast.Constant(value) for value in (0.1, 0.5, 1, 2))
            if name in arguments and trains:
                yield ast.parse(f"{name}.detach()", mode="eval").body
        case ast.Name(name, ast.Load()) if name in RIVALS:
            yield from (ast.Name(other, ast.Load()) for other in RIVALS[name])
        case ast.Attribute(value, name, context):
            yield from (ast.Attribute(value, other, context) for other in RIVALS.get(name, []))
            yield value
        case ast.Call(ast.Name("float" | "int")):
            pass  # a number is right without it too
        case ast.Call(function, given, keywords):
            yield from given
            if isinstance(function, ast.Attribute):
                yield function.value
            for k in range(len(given)):
                yield ast.Call(function, [*given[:k], *given[k + 1 :]], keywords)
            for k in range(len(keywords)):
                yield ast.Call(function, given, [*keywords[:k], *keywords[k + 1 :]])
            if len(given) > 1:
                yield ast.Call(function, [*given[1::-1], *given[2:]], keywords)
        case ast.Subscript(value, _, ast.Load()):
            yield value
        case ast.Tuple(items, ast.Load()) if len(items) > 1:
            yield ast.Tuple([*items[::-1]], ast.Load())
        case ast.Expr() | ast.Assign() | ast.AugAssign():
            yield ast.Pass()


def changed(answer: Any, change: Function) -> Any:
    """Return an answer with its numbers changed, in a tuple or dictionary too."""
    if isinstance(answer, tuple):
        return tuple(changed(part, change) for part in answer)
    if isinstance(answer, dict):
        return {name: changed(part, change) for name, part in answer.items()}
    return change(answer if isinstance(answer, torch.Tensor) else np.asarray(answer))


def flipped(answer: Any) -> Any:
    """Return the rows in reverse."""
    return answer.flip(0) if isinstance(answer, torch.Tensor) else answer[::-1].copy()


def random_like(answer: Any) -> Any:
    """Return random numbers of the answer's mean and spread."""
    spread = float(answer.std()) if answer.size > 1 else 0.1
    return float(answer.mean()) + spread * np.random.default_rng(0).normal(size=answer.shape)


RESULTS: dict[str, Function] = {
    "the result is negated": lambda a: ~a if a.dtype in (bool, torch.bool) else -a,
    "the result is doubled": lambda a: a * 2,
    "the result is a hundredth too large": lambda a: a * 1.01,
    "a hundredth is added to the result": lambda a: a + 0.01,
    "the rows are reversed": lambda a: flipped(a) if a.ndim else a + 1,
    "the last dimension is reversed": lambda a: flipped(a.swapaxes(0, -1)).swapaxes(0, -1) if a.ndim > 1 else a + 1,
    "each row is the first one": lambda a: a[:1] + 0 * a if a.ndim else a - 1,
    "the last row is missing": lambda a: a[:-1] if a.ndim else a / 2,
    "the result is zero": lambda a: a * 0,
    "the result is one": lambda a: a * 0 + 1,
    "random numbers": lambda a: random_like(np.asarray(a.detach() if isinstance(a, torch.Tensor) else a)),
    "the result is a word": lambda a: "right",
}
TRAINING: dict[str, Function] = {
    "the result is detached": lambda a: a.detach(),
    "a new leaf": lambda a: a.detach().clone().requires_grad_(True),
    "the gradient is doubled": lambda a: 2 * a - a.detach(),
    "the gradient is negated": lambda a: 2 * a.detach() - a,
    "the gradient is zero": lambda a: a.detach() + 0 * a,
    "the result is a float or an array": lambda a: a.detach().numpy(),
}


def of_behaviour(right: Function, arguments: int, *, trains: bool) -> Iterator[Mutant]:
    """Yield the function with its results, arguments or memory changed."""
    for what, change in {**RESULTS, **(TRAINING if trains else {})}.items():
        yield Mutant(what, lambda *given, change=change: changed(right(*given), change))

    def with_first(positions: set[int]) -> Function:
        first: list[tuple[Any, ...]] = []

        def call(*given: Any) -> Any:
            first.append(copy.deepcopy(given))
            return right(*(first[0][k] if k in positions else value for k, value in enumerate(given)))

        return call

    for k in range(arguments):
        yield Mutant(f"argument {k} is always that of the first call", with_first({k}))
    yield Mutant("always the first answer", with_first(set(range(arguments))))
    for k in range(arguments - 1):
        yield Mutant(
            f"arguments {k} and {k + 1} are exchanged",
            lambda *given, k=k: right(*given[:k], given[k + 1], given[k], *given[k + 2 :]),
        )

    def spoiling(*given: Any) -> Any:
        answer = copy.deepcopy(given), right(*given)
        for value in given:
            if isinstance(value, np.ndarray | torch.Tensor):
                with torch.no_grad():
                    value[...] = 0
        return answer[1]

    yield Mutant("what was given is overwritten", spoiling)

    def without_gradient(*given: Any) -> Any:
        with torch.no_grad():
            return right(*given)

    if trains:
        yield Mutant("computed under no_grad", without_gradient)
