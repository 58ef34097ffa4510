"""Generated rules against the engine itself: fields with the names of CEL's words give what variables of other names give."""

import random
import re
from typing import Any

import pytest
from cel_expr_python import cel

from guard.ladder.cel_tree import RESERVED, ExpressionInvalid
from guard.ladder.expressions import EvaluationFailed, Expressions
from tests.ladder.test_rules import field

NAMES = (
    "has", "size", "in", "true", "null", "all", "exists", "map", "filter", "int", "double", "string", "type", "list", "bool",
    "timestamp", "matches", "package", "zip-code", "a.b", "größe", "x y", "startsWith", "dyn", "0", "input", "field_0_",
    "local_0_", "", "'", '"', "\\",
)  # fmt: skip
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
OWN = re.compile(r"(?:field|local)_\d+_\Z")
KINDS = ("number", "string", "boolean", "array", "object", "maybe")
ROWS: dict[str, tuple[Any, ...]] = {
    "number": (0.0, 2.5, -1.0, 3.0),
    "string": ("", "ann", "a'b", "größe"),
    "boolean": (True, False),
    "array": ([], [1.0], [1.0, 2.5, 3.0]),
    "object": ({}, {"k": "v"}, {"k": 2.5, "has": True}),
    "maybe": (None, 2.5, 0.0),
}


class Generator:
    """Expressions in which `@N@` stands for the Nth field."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.names = self.dice.sample(NAMES, len(KINDS))

    def pick(self, *choices: str) -> str:
        return self.dice.choice(choices)

    def place(self, kind: str) -> str:
        return f"@{KINDS.index(kind)}@"

    def number(self, depth: int) -> str:
        if depth == 0:
            return self.pick(self.place("number"), "2.5", "0.0", "-1.0")
        sign = self.pick("+", "-", "*", "/")
        return self.pick(
            self.place("number"), f"({self.number(depth - 1)} {sign} {self.number(depth - 1)})",
            f"({self.truth(depth - 1)} ? {self.number(depth - 1)} : {self.number(depth - 1)})", f"{self.place('array')}[0]",
            f"double({self.place('string')} == 'ann' ? '1' : '2')",
        )  # fmt: skip

    def truth(self, depth: int) -> str:
        kinds, relation = self.place, self.pick("<", "<=", ">", ">=", "==", "!=")
        maybe, xs, o, s = kinds("maybe"), kinds("array"), kinds("object"), kinds("string")
        if depth == 0:
            return self.pick(kinds("boolean"), "true", f"{maybe} == null", f"has({o}.k)")
        inner = self.truth(depth - 1)
        return self.pick(
            f"{self.number(depth - 1)} {relation} {self.number(depth - 1)}", f"!({inner})",
            f"({inner} && {self.truth(depth - 1)})", f"({inner} || {self.truth(depth - 1)})",
            f"({inner} ? {self.truth(depth - 1)} : {self.truth(depth - 1)})", f"{maybe} {relation} 2.5",
            f"{maybe} != null && {maybe} > 1.0", f"({maybe} == null || {maybe} {relation} 1.0)", f"2.5 in {xs}",
            f"{maybe} in {xs}", f"{xs}.exists(x, x {relation} {self.number(0)})", f"{xs}.all(size, size > 0.0 && {inner})",
            f"{xs}.filter(y, y > 1.0) == [2.5, 3.0]", f"{xs}.map(has, has * 2.0) {self.pick('==', '!=')} []",
            f"{s}.startsWith('a')", f"{s}.matches('^a.*')", f"{s} in ['ann', {s}]", f"has({o}.k) && {o}.k == 'v'",
            f"{o}.k == 2.5", f"'k' in {o}", f"{o}.has == true", f"{maybe} + 1.0 > 2.0", f"-{maybe} < 0.0",
            f"type({s}) == type('a')", f"{o}.size() {relation} {xs}.size()",
        )  # fmt: skip


def named(text: str, names: list[str]) -> str:
    """As an author writes it: bare where the name may be."""

    def write(found: re.Match[str]) -> str:
        name = names[int(found[1])]
        if IDENTIFIER.match(name) and name not in RESERVED and name != "input" and not OWN.match(name):
            return name
        return 'input["' + name.replace("\\", "\\\\").replace('"', '\\"') + '"]'

    return re.sub(r"@(\d)@", write, text)


def bound(text: str, names: list[str]) -> bool:
    """Whether a macro binds the name of a field: then a bare name is the macro's."""
    return any(f"({name}," in text for name in names if name)


@pytest.mark.parametrize("seed", range(300))
def test_a_rule_means_what_the_engine_means_by_it(seed: int) -> None:
    generator = Generator(seed)
    names, template = generator.names, generator.truth(3)
    if bound(template, names):
        names = [f"{name}_" for name in names]
    kinds = [KINDS[0], *KINDS[1:]]
    types = cel.Type
    env = cel.NewEnv(
        variables=dict(
            zip(
                (f"v{number}" for number in range(len(KINDS))),
                (types.DOUBLE, types.STRING, types.BOOL, types.List(types.DOUBLE), types.Map(types.STRING, types.DYN), types.DYN),
                strict=True,
            )
        )
    )  # fmt: skip
    reference = env.compile(re.sub(r"@(\d)@", r"v\1", template))
    fields = {
        name: field(
            "number" if kind == "maybe" else kind, nullable=kind == "maybe", items=field() if kind == "array" else None
        )
        for name, kind in zip(names, kinds, strict=True)
    }
    text = named(template, names)
    compiled = Expressions(fields).compile(text, boolean=True)
    for _ in range(12):
        values = [generator.dice.choice(ROWS[kind]) for kind in kinds]
        expected = evaluated(reference, values)
        try:
            value: object = compiled(dict(zip(names, values, strict=True)))
        except EvaluationFailed:
            value = None
        assert value == expected, (text, values)


def evaluated(program: Any, values: list[Any]) -> object:
    """What the engine says; None where it has no value."""
    try:
        result = program.eval(data={f"v{number}": value for number, value in enumerate(values)})
    except Exception:
        return None
    kind = result.type().name().upper()
    return None if "ERROR" in kind or "UNKNOWN" in kind else result.plain_value()


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_that_cannot_be_compiled_names_no_variable_of_ours(name: str) -> None:
    with pytest.raises(ExpressionInvalid) as refused:
        Expressions({name: field("string")}).compile(named("@0@ > 1.0", [name]), boolean=True)
    assert "field_0_" not in str(refused.value) or name == "field_0_"
