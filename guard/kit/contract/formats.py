"""A contract in each of its forms, by name: for the command, and for the admin API, which knows their media types."""

import json
from typing import Any

from guard.kit.contract.build import make
from guard.kit.contract.document import document
from guard.kit.contract.markdown import markdown
from guard.kit.contract.openapi import openapi
from guard.policy.compiled import CompiledPlan
from guard.policy.loading import Loaded


def render(form: str, loaded: Loaded, plan: CompiledPlan, wall: float) -> str:
    """The text. Raises KeyError for a form that there is not."""
    contracts = make(loaded, plan, wall)
    match form:
        case "markdown":
            return markdown(contracts)
        case "json":
            return json.dumps(document(contracts), ensure_ascii=False) + "\n"
        case "openapi":
            return json.dumps(openapi(contracts, loaded), ensure_ascii=False, indent=2) + "\n"
        case "openapi-yaml":
            return _yaml(openapi(contracts, loaded))
    raise KeyError(form)


def _yaml(value: Any) -> str:
    import yaml  # noqa: PLC0415 — the other forms do without

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))
