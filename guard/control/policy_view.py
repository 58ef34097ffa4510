"""The policy in force, for whoever may read the admin API."""

import json
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from guard.policy.loading import Loaded

View: TypeAlias = Callable[[], Callable[[], bytes]]
"""Copies the facts of a document in one turn of the loop; what it returns writes the document, in a thread."""


def policy_view(loaded: Loaded) -> Callable[[], bytes]:
    """The writer of the document: the policy as `guard check --resolved` prints it, and its warnings."""
    return lambda: json.dumps(_document(loaded), ensure_ascii=False).encode()


def _document(loaded: Loaded) -> dict[str, object]:
    from guard.policy.dump import dump  # noqa: PLC0415 — for whoever asks

    text = dump(loaded)
    for hook in loaded.policy.webhooks:
        if isinstance(hook.url, str):  # a path of a webhook is a secret, as with Slack
            parts = urlsplit(hook.url)
            text = text.replace(hook.url, f"{parts.scheme}://{parts.netloc}/REDACTED")
    return {
        "format": "guard/policy-in-force/v1",
        "service": loaded.policy.service,
        "digest": loaded.digest,
        "warnings": [str(warning) for warning in loaded.warnings],
        "text": text,
    }
