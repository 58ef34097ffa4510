"""No generator that is kept reads the variable of a loop around it: it would see the last one, as a rehearsal once did.

Ruff's B023 finds functions and lambdas of this kind in loops, and neither of them in comprehensions.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def names(*nodes: ast.AST) -> set[str]:
    return {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name)}


def read_late(kept: ast.GeneratorExp | ast.Lambda) -> set[str]:
    """The names that are read when it runs: all but those of the first iterable, which is evaluated at once."""
    if isinstance(kept, ast.Lambda):
        return names(kept.body) - {argument.arg for argument in ast.walk(kept.args) if isinstance(argument, ast.arg)}
    first, *others = kept.generators
    read = names(kept.elt, *first.ifs, *(part for each in others for part in (each.iter, *each.ifs)))
    return read - names(*(each.target for each in kept.generators))


def late(source: str) -> Iterator[tuple[int, str]]:
    """(line, name) of each generator or lambda of a comprehension that is not consumed where it stands."""
    tree = ast.parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.GeneratorExp | ast.Lambda) or isinstance(parents[node], ast.Call | ast.Starred):
            continue
        child, around = node, parents.get(node)
        while around is not None and not isinstance(around, FUNCTIONS):
            if isinstance(around, COMPREHENSIONS) and child not in around.generators:
                for name in read_late(node) & names(*(each.target for each in around.generators)):
                    yield node.lineno, name
            child, around = around, parents.get(around)


@pytest.mark.parametrize("folder", ["guard", "benchmarks"])
def test_no_kept_generator_reads_a_loop_variable(folder: str) -> None:
    assert [(str(path), *found) for path in (ROOT / folder).rglob("*.py") for found in late(path.read_text())] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("[((a, b) for b in f(a)) for a in c]", ["a"]),
        ("{a: lambda: a for a in c}", ["a"]),
        ("[lambda a=a: a for a in c]", []),
        ("[tuple((a, b) for b in f(a)) for a in c]", []),
        ("[(b for b in f(a)) for a in c]", []),
        ("[a for a in (b for b in c)]", []),
    ],
)
def test_what_is_found(source: str, found: list[str]) -> None:
    assert [name for _, name in late(source)] == found
