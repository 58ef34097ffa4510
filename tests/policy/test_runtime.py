"""Laws of what outlives a reload: an unused draft leaves no trace, and every pool that no plan uses is returned."""

import ast
from pathlib import Path
from typing import Any

import guard
from guard.ladder.breaker import Breaker
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load
from guard.policy.runtime import NoPool, Runtime, TargetKey

SOURCE = Path(guard.__file__).parent
KINDS = ("breakers", "limiters", "pools", "caches", "rung_limits")
STATE = frozenset(("Breaker", "Slots", "Pool", "Store", "Ceiling", "ConnectionPool"))

POLICY = """
version: guard/v1
service: s
upstream: {upstream}
routes:
  POST /a:
    input: {{age: {{type: integer}}}}
    output: {{label: {{enum: [a]}}}}
    fallback:
      - previous: {previous}
      - cached: {{max_age: {age}, entries: 10, bytes: 1MiB}}
      - rules: [{{answer: {{label: a}}}}]
"""


def drafted(
    tmp_path: Path, runtime: Runtime, *, upstream: str = "http://h:1", previous: str = "http://h:2", age: str = "1h"
) -> Any:
    """The draft of a plan of this policy."""
    (path := tmp_path / "p.yaml").write_text(POLICY.format(upstream=upstream, previous=previous, age=age))
    draft = runtime.draft()
    compile_plan(load(path, environ={}), CompileContext(certificate=Path.read_bytes), draft)
    return draft


def contents(collections: Any) -> dict[str, dict[Any, Any]]:
    return {kind: dict(getattr(collections, kind).items()) for kind in KINDS}


def test_an_unused_draft_leaves_no_trace(tmp_path: Path) -> None:
    runtime = Runtime()
    runtime.adopt(drafted(tmp_path, runtime))
    before = contents(runtime)
    drafted(tmp_path, runtime, upstream="http://other:1", previous="http://other:2", age="2h")
    assert contents(runtime) == before
    runtime.adopt(drafted(tmp_path, runtime))
    assert contents(runtime) == before


def test_only_what_is_configured_otherwise_is_made_anew(tmp_path: Path) -> None:
    runtime = Runtime()
    runtime.adopt(drafted(tmp_path, runtime))
    before = contents(runtime)
    runtime.adopt(drafted(tmp_path, runtime, age="2h"))
    after = contents(runtime)
    assert after.pop("caches")["POST /a"] is not before.pop("caches")["POST /a"]
    assert after == before


def test_every_pool_that_no_plan_uses_is_returned_and_no_other(tmp_path: Path) -> None:
    runtime = Runtime()
    assert runtime.adopt(drafted(tmp_path, runtime)) == []
    kept, unused = runtime.pools.values()
    assert runtime.adopt(drafted(tmp_path, runtime, previous="http://h:3")) == [unused]
    assert kept in list(runtime.pools.values())
    last = list(runtime.pools.values())
    assert runtime.adopt(runtime.draft()) == last
    assert contents(runtime) == {kind: {} for kind in KINDS}


def test_two_ways_to_one_origin_have_a_pool_each(tmp_path: Path) -> None:
    """One of them was neither in force nor returned: nobody closed it."""
    (ca := tmp_path / "ca.pem").write_text("one")
    upstream = "{url: 'https://h:1', tls: {ca: ca.pem}}"
    runtime = Runtime()
    runtime.adopt(drafted(tmp_path, runtime, upstream=upstream, previous="https://h:1"))
    with_ca, without = runtime.pools.values()
    assert with_ca is not without
    ca.write_text("two")
    assert runtime.adopt(drafted(tmp_path, runtime, upstream=upstream, previous="https://h:1")) == [with_ca]


def test_a_key_gives_the_type_of_its_collection(tmp_path: Path) -> None:
    runtime = Runtime()
    runtime.adopt(drafted(tmp_path, runtime))
    assert isinstance(runtime.breakers.get(TargetKey("POST /a", "model")), Breaker)
    assert runtime.breakers.get(TargetKey("POST /b", "model")) is None
    assert TargetKey("POST /a", "previous") in runtime.limiters
    assert all(isinstance(pool, NoPool) for pool in runtime.pools.values())
    assert len(runtime.rung_limits) == 1


def test_nothing_asks_state_for_its_type() -> None:
    """Each kind has a collection of its own, so that nobody sorts them by `isinstance` or by a pattern."""
    results: list[str] = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            named: list[ast.expr] = []
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                named = [name for name in ast.walk(node.args[1]) if isinstance(name, ast.Name | ast.Attribute)]
            elif isinstance(node, ast.MatchClass):
                named = [node.cls]
            if any((getattr(name, "id", "") or getattr(name, "attr", "")) in STATE for name in named):
                results.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert results == []
