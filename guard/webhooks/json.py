"""guard's own alert document, docs/alert.schema.json, one for each POST."""

from typing import Any

from guard.webhooks.values import Alert


class Json:
    """A Format."""

    name = "json"
    repeats = False

    def endpoint(self, url: str) -> str:
        """The address as it is declared."""
        return url

    def body(self, alert: Alert) -> Any:
        """The document."""
        return dict(alert.document)
