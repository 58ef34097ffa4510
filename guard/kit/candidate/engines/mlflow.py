"""An MLflow registry: the candidate is a version with the tag `guard.digest`, and aliases say which one is what.

REST of MLflow 2.9 and later, where aliases take the place of stages. A version is found by its tag, so every step may be
repeated and none registers a release twice.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

from guard.kit.candidate.engines.values import EngineStep, Outcome, Subject

CHAMPION: Final = "champion"
TAG: Final = "guard.digest"
TRIES: Final = 3
PAUSE: Final = 0.5
WITHIN: Final = 10.0
THERE_ALREADY: Final = "RESOURCE_ALREADY_EXISTS"


class _Failed(Exception):  # noqa: N818
    """A call that MLflow did not answer as it should; the message says how."""


class Mlflow:
    """`candidate.engine.mlflow`."""

    name: Final = "mlflow"

    def __init__(self, declared: Any) -> None:
        self._api = f"{str(declared.url).rstrip('/')}/api/2.0/mlflow/"
        self._model: str = declared.model
        self._alias: str = declared.alias

    def perform(self, step: EngineStep, subject: Subject) -> Iterator[Outcome]:
        """Register the version, or move an alias."""
        match step:
            case "register":
                yield from self._steps("register", subject.digest, self._alias, subject)
            case "promote":
                yield from self._steps("promote", subject.digest, CHAMPION, subject)
            case "rollback":
                yield from self._steps("rollback", subject.previous, CHAMPION, subject)
            case "abort":
                what = f"MLflow: delete the alias {self._alias} of {self._model}"
                yield self._outcome(what, lambda: self._ask("DELETE", "registered-models/alias", self._named(self._alias)))

    def _steps(self, step: str, digest: str, alias: str, subject: Subject) -> Iterator[Outcome]:
        what = f"MLflow: alias {alias} of {self._model} to the version with {TAG} {digest[:19]}"
        try:
            version = self._version(digest)
            if version is None and step == "register":
                version = self._created(subject)
                yield Outcome(f"MLflow: version {version} of {self._model} created", True)
            if version is None:
                raise _Failed("no version has this tag; run `guard release register` first")
            self._ask("POST", "registered-models/alias", {**self._named(alias), "version": version})
            yield Outcome(f"{what}: version {version}", True)
        except _Failed as error:
            yield Outcome(what, False, str(error))

    def _named(self, alias: str) -> dict[str, str]:
        return {"name": self._model, "alias": alias}

    def _outcome(self, what: str, call: Any) -> Outcome:
        try:
            call()
        except _Failed as error:
            return Outcome(what, False, str(error))
        return Outcome(what, True)

    def _version(self, digest: str) -> str | None:
        """The version of the model with this digest; the newest, if several."""
        name = self._model.replace("'", "''")
        found = self._ask("GET", "model-versions/search", {"filter": f"name='{name}'", "max_results": "1000"})
        for version in found.get("model_versions", []):
            if any((tag.get("key"), tag.get("value")) == (TAG, digest) for tag in version.get("tags", [])):
                return str(version["version"])
        return None

    def _created(self, subject: Subject) -> str:
        if not subject.source:
            raise _Failed("give --source URI, where MLflow finds the artifact: s3://… or runs:/…, not a local path")
        try:
            self._ask("POST", "registered-models/create", {"name": self._model})
        except _Failed as error:
            if THERE_ALREADY not in str(error):
                raise
        tags = [{"key": TAG, "value": subject.digest}, {"key": "guard.version", "value": subject.version}]
        made = self._ask("POST", "model-versions/create", {"name": self._model, "source": subject.source, "tags": tags})
        return str(made["model_version"]["version"])

    def _ask(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One call, tried again while MLflow cannot be reached. Raises _Failed."""
        import httpx2  # noqa: PLC0415 — 70 ms that other commands need not pay

        where: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        for attempt in range(1, TRIES + 1):
            try:
                with httpx2.Client(trust_env=False, timeout=WITHIN) as client:
                    answer = client.request(method, self._api + path, **where)
            except httpx2.HTTPError as error:
                if attempt == TRIES:
                    raise _Failed(f"{self._api}: {type(error).__name__}; run the step again when it answers") from None
                time.sleep(PAUSE)
                continue
            try:
                document = answer.json()
            except ValueError:
                document = None
            if answer.status_code == 200 and isinstance(document, dict):
                return document
            code = document.get("error_code", "") if isinstance(document, dict) else ""
            message = str(document.get("message", ""))[:200] if isinstance(document, dict) else ""
            raise _Failed(f"{self._api}{path} answers {answer.status_code} {code} {message}".rstrip())
        raise AssertionError
