"""A model server that says what was recorded, and 404 to all else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guard.kit.init.draft import Draft, SurveyResult, Wanted
from guard.kit.init.server import ServerAnswer
from guard.kit.init.settle import settle
from guard.kit.init.survey import survey

NOTHING = ServerAnswer(404, b'{"detail":"Not Found"}')
ANYTHING = Wanted()
RECORDED = Path(__file__).parent / "recorded"


class Fake:
    """A Server. `asked` are the questions, in order."""

    def __init__(self, pages: Mapping[str, ServerAnswer], other: ServerAnswer = NOTHING) -> None:
        self._pages, self._other = pages, other
        self.asked: list[str] = []

    def get(self, path: str) -> ServerAnswer:
        return self._said(f"GET {path}")

    def post(self, path: str, body: bytes) -> ServerAnswer:
        assert body == b"{}"
        return self._said(f"POST {path}")

    def _said(self, question: str) -> ServerAnswer:
        self.asked.append(question)
        return self._pages.get(question, self._other)


def said(pages: Mapping[str, Any]) -> Fake:
    """A server that answers these questions with JSON."""
    return Fake({key: ServerAnswer(200, json.dumps(page).encode()) for key, page in pages.items()})


def recorded(name: str) -> Fake:
    pages = json.loads((RECORDED / f"{name}.json").read_text())
    return Fake(
        {
            key: ServerAnswer(
                page["status"], json.dumps(page["json"]).encode() if "json" in page else page["text"].encode()
            )
            for key, page in pages.items()
        }
    )


def found(server: Fake, wanted: Wanted = ANYTHING) -> SurveyResult:
    """What it is. It must be something."""
    it = survey(server, wanted)
    assert it is not None
    return it


def drafted(server: Fake, wanted: Wanted = ANYTHING) -> str:
    """The text of the draft, as it is printed."""
    return settle(Draft("http://127.0.0.1:8080", found(server, wanted)))[0]
