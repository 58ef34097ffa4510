"""Contract → what `guard contract --json` prints (docs/contract.schema.json)."""

from dataclasses import fields
from typing import Any

from guard.kit.contract.values import Document, Example, Field, Output
from guard.kit.plain import plain


def document(contracts: Document) -> dict[str, Any]:
    """Plain values. What is declared of a field stands beside what becomes of it."""
    return {
        "valid": True,
        **plain(contracts, {Field: _row, Output: _row, Example: _example}),
        "owners": dict(contracts.owners),
    }


def _row(row: Field | Output) -> dict[str, Any]:
    value = row.value
    return {
        "name": value.name, "place": value.place, "bounds": value.bounds, "required": value.shape.required,
        "nullable": value.shape.nullable, **value.facts(),
        **{field.name: getattr(row, field.name) for field in fields(row) if field.name != "value"},
    }  # fmt: skip


def _example(example: Example) -> dict[str, Any]:
    return {"headers": dict(example.headers), "body": example.body, "answer": example.answer}
