"""The report as JUnit: a suite for each part, a case for each check."""

from collections.abc import Iterator, Mapping
from typing import Any

from guard.kit import junit as xml


def junit(document: Mapping[str, Any]) -> bytes:
    """The whole file."""
    result, began = document["result"], document["at"].removesuffix("Z")
    suites = [xml.Suite(part["title"], list(_cases(part)), str(part["seconds"]), began) for part in result["parts"]]
    return xml.junit(f"guard rehearse {document['service']}", suites, str(result["seconds"]))


def _cases(part: Mapping[str, Any]) -> Iterator[xml.Case]:
    group = f"guard.rehearse.{part['name']}"
    for check in part["checks"]:
        name = f"{check['name']} ({check['route']})" if check["route"] else str(check["name"])
        words = [f"fields: {', '.join(check['fields'])}"] if check["fields"] else []
        words += [f"{key}: {check[key]}" for key in ("sent", "expected", "got", "todo") if check[key]]
        match check["result"]:
            case "fail":
                yield xml.Case(group, name, "fail", check["got"] or check["todo"], "\n".join(words))
            case "skip":
                yield xml.Case(group, name, "skip", check["todo"])
            case result:
                yield xml.Case(group, name, "pass", text="\n".join(words) if result == "note" else "")
    if not part["complete"]:
        yield xml.Case(group, "to its end", "fail", "the rehearsal was interrupted", "expected: the end")
