"""Subjects of a rehearsal, compiled from the YAML that a user writes."""

from pathlib import Path
from textwrap import dedent, indent

from guard.kit.rehearse import generate
from guard.kit.rehearse.canaries import Cage
from guard.kit.rehearse.subject import Subject, subject, usual
from guard.policy.compiling import CompileContext, compile_plan
from guard.policy.loading import load

WALL = 1_800_000_000.0
EVERYTHING = """
input:
  id: {type: string, pattern: '^[A-Z]{2}-[0-9]{4}$', send: false, sensitivity: personal}
  age: {type: integer, unit: years, min: 18, max: 120}
  income: {type: number, min: 0, nullable: true}
  tenure: {type: integer, default: 7}
  job: {enum: [salaried, self, none]}
  kind: {type: integer, enum: [0, 1]}
  name: {type: string, max_length: 80}
  note: {type: string, required: false, min_length: 1, max_length: 2000, detect: [email]}
  seen_at: {type: timestamp, freshness: {stale: 24h}}
  at_ms: {type: timestamp, unit: ms}
  score_b: {type: number, missing: fall}
  flag: {type: boolean}
output:
  label: {enum: [a, b]}
fallback: {label: a}
"""
NESTED = """
  tags: {type: array, min_items: 1, max_items: 4, items: {type: string}}
  address: {type: object, fields: {city: {type: string}, floor: {type: integer, required: false}}}
  deep: {type: number, at: /a/deep, min: 0, max: 1}
"""
COLUMNS = "columns: [id, age, income, tenure, job, kind, name, note, seen_at, at_ms, score_b, flag]"
TENSORS = """
input:
  age: {type: integer, datatype: INT64, shape: [-1, 1], min: 18, max: 120}
  income: {type: number, datatype: FP64, min: 0, nullable: true}
  pixels: {type: array, datatype: FP32, shape: [-1, 4], items: {type: number, min: 0, max: 1}}
  job: {enum: [x, y]}
output:
  label: {type: integer, datatype: INT64}
"""
VARIANTS = {
    "json": EVERYTHING.replace("output:", NESTED.strip("\n") + "\noutput:"),
    "json rows": "rows: /in/rows" + EVERYTHING.replace("output:", NESTED.strip("\n") + "\noutput:"),
    "json list": "rows: ''\nundeclared: reject" + EVERYTHING,
    "json positional": COLUMNS + EVERYTHING,
    "json positional rows": "rows: /rows\n" + COLUMNS + EVERYTHING,
    "json observe": "enforcement: observe" + EVERYTHING,
    "json pass": "undeclared: pass" + EVERYTHING,
    "kserve-v1": EVERYTHING,
    "kserve-v1 positional": COLUMNS + EVERYTHING,
    "vertex": EVERYTHING,
    "tfserving": EVERYTHING,
    "mlflow": EVERYTHING,
    "sagemaker": COLUMNS + EVERYTHING,
    "oip": TENSORS,
    "openai": """
        input:
          model: {enum: [small, large]}
          temperature: {type: number, min: 0, max: 2, required: false}
          max_tokens: {type: integer, min: 1, max: 4096}
          characters: {type: integer, max: 8000}
        output: {object: {type: string}}
        """,
}


def made(folder: Path, name: str, key: str = "") -> tuple[Subject, Cage]:
    """A subject that is told to work, with a few more instances."""
    dialect, text = name.split(" ", maxsplit=1)[0], dedent(VARIANTS[name]).strip("\n")
    key = key or ("POST /v1/chat/completions" if dialect == "openai" else "POST /p")
    (path := folder / "policy.yaml").write_text(
        f"version: guard/v1\nservice: t\nupstream: http://127.0.0.1:1\nroutes:\n  {key}:\n    dialect: {dialect}\n"
        + indent(text, "    ")
        + "\n"
    )
    loaded = load(path, environ={})
    [route] = compile_plan(loaded, CompileContext()).routes
    declared = loaded.policy.routes[key]
    one, cage = subject(key, declared, route), Cage()  # type: ignore[arg-type]
    generate.prepare(folder)
    one.more = generate.instances(one.declared.inputs, WALL, 15, seed=0)
    one.instance = usual(dict(one.declared.inputs), WALL, 0, cage)
    one.base, one.works = one.layouts[0].carry([one.instance]), True
    return one, cage
