"""`guard debug`: one redacted archive for a bug report, of a guard that is down, too. It names what is missing."""

import importlib.metadata
import io
import json
import os
import platform
import re
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import yaml

from guard import __version__, form
from guard.cli import environment
from guard.cli.operate import Where, ask, find_endpoint
from guard.kit import bundle
from guard.kit.files import open_regular, replace

VIEWS: Final = ("status", "monitor", "slo", "incidents", "release", "audit?limit=100")
"""Documents of the admin API."""
MOST_EVENTS: Final = 500
MOST_LOG_BYTES: Final = 8 << 20
MOST_METRICS: Final = 8 << 20
WITHIN: Final = 5.0
OPS: Final = "127.0.0.1:8902"
LIBRARIES: Final = (
    "uvloop", "httptools", "pydantic", "pydantic-core", "jiter", "orjson", "starlette", "uvicorn", "httpx2", "click",
    "jsonschema-rs", "cel-expr-python", "opentelemetry-sdk",
)  # fmt: skip


class Missing(Exception):  # noqa: N818 — one part of the archive, not a failure of the command
    """A part that could not be had; the message says why."""


def run(where: Where, policy: Path | None, *, ops: str | None, log: Path | None, output: Path, as_json: bool) -> int:
    """Gather, write the archive, and print what it holds; 0, or 1 if it cannot be written."""
    parts, missing = gather(where, policy, ops, log)
    try:
        replace(output, archive(parts, missing))
        output.chmod(0o600)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror}; choose another file with --output") from None
    if as_json:
        sizes = {name: len(content) for name, content in parts.items()}
        click.echo(json.dumps({"file": str(output), "parts": sizes, "missing": missing}))
        return 0
    click.echo(f"{output} holds:")
    for name, content in parts.items():
        click.echo(f"  {name:16} {len(content):>8} bytes")
    for name, why in missing.items():
        click.echo(f"  {name:16} could not be had: {why}")
    click.echo("Values, secrets, people and their words are left out. Names of fields, routes, hosts and files are in it.")
    click.echo(f"Read it before you send it: tar -xzOf {output} | less")
    return 0


def gather(where: Where, policy: Path | None, ops: str | None, log: Path | None) -> tuple[dict[str, bytes], dict[str, str]]:
    """The parts by file name, redacted; and what could not be had, with the reason."""
    parts: dict[str, bytes] = {"versions.json": _json(versions())}
    missing: dict[str, str] = {}

    def take(name: str, make: Callable[[], bytes]) -> None:
        try:
            parts[name] = make()
        except Missing as why:
            missing[name] = bundle.text(str(why))

    view = _views(where)
    tree: Any = None

    def declared() -> bytes:
        nonlocal tree
        written = _resolved(policy) if policy is not None else view("policy").get("text", "")
        tree = yaml.load(written, Loader=yaml.BaseLoader)  # noqa: S506 — makes texts, lists and mappings only
        return yaml.safe_dump(bundle.policy(tree), sort_keys=False, allow_unicode=True).encode()

    take("policy.yaml", declared)
    for name in VIEWS:
        take(f"{name.partition('?')[0]}.json", lambda name=name: _json(bundle.document(view(name))))  # type: ignore[misc]
    take("metrics.txt", lambda: _metrics(ops or _listener(tree)))
    if "metrics.txt" in parts:
        parts["stalls.txt"] = bundle.stalls(parts["metrics.txt"].decode()).encode()
    else:
        missing["stalls.txt"] = "they are in the metrics"
    take("events.json", lambda: _events(log))
    return parts, missing


def _views(where: Where) -> Callable[[str], Any]:
    """A function that asks the admin API for a document. It raises Missing."""
    try:
        endpoint = find_endpoint(where)
    except click.UsageError as error:
        why = error.message

        def nobody(_name: str) -> Any:
            raise Missing(why)

        return nobody

    def view(name: str) -> Any:
        answer = ask(endpoint, "GET", f"/{name}", ca=where.ca)
        if answer.status != 200:
            raise Missing(f"{answer.body.get('code')}: {answer.body.get('detail') or answer.body.get('title') or ''}")
        return answer.body

    return view


def versions() -> dict[str, Any]:
    """Versions of guard, of what it runs on, and of its libraries."""
    libraries = {}
    for name in LIBRARIES:
        try:
            libraries[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            libraries[name] = "not installed"
    return {
        "guard": __version__, "form": form(), "python": sys.version.split()[0], "implementation": sys.implementation.name,
        "system": platform.system(), "kernel": platform.release(), "machine": platform.machine(),
        "processors": os.cpu_count(), "container": Path("/.dockerenv").exists(), "libraries": libraries,
    }  # fmt: skip


def _resolved(policy: Path) -> str:
    from guard.policy.dump import dump  # noqa: PLC0415
    from guard.policy.errors import PolicyInvalid  # noqa: PLC0415
    from guard.policy.loading import load  # noqa: PLC0415

    try:
        return dump(load(policy, environ=environment()))
    except PolicyInvalid as invalid:
        places = ", ".join(f"line {error.line}" for error in invalid.errors[:20])
        raise Missing(f"the policy has {len(invalid.errors)} mistakes ({places}); `guard check` names them") from None


def _listener(tree: Any) -> str:
    listen = tree.get("listen") if isinstance(tree, dict) else None
    address = listen.get("ops") if isinstance(listen, dict) else None
    return re.sub(r"^(0\.0\.0\.0|\[::\])", "127.0.0.1", address) if isinstance(address, str) else OPS


def _metrics(ops: str) -> bytes:
    import httpx2  # noqa: PLC0415 — 70 ms that other commands need not pay

    url = f"{ops if '://' in ops else f'http://{ops}'}/metrics"
    try:
        with httpx2.Client(trust_env=False, timeout=WITHIN) as client, client.stream("GET", url) as answer:
            content = b""
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > MOST_METRICS:
                    raise Missing(f"{url} answers more than {MOST_METRICS} bytes")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Missing(f"{url}: {type(error).__name__}; --ops HOST:PORT names guard's ops listener") from None
    page = content.decode("utf-8", "replace")
    if answer.status_code != 200 or "guard_" not in page:
        raise Missing(f"{url} does not answer with guard's metrics")
    return bundle.metrics(page).encode()


def _events(log: Path | None) -> bytes:
    if log is None:
        raise Missing("give guard's log with --log FILE")
    try:
        with os.fdopen(open_regular(log), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_LOG_BYTES))
            content = file.read(MOST_LOG_BYTES)
    except OSError as error:
        raise Missing(f"cannot read the log: {error.strerror}") from None
    lines = content.decode("utf-8", "replace").splitlines()
    return _json(bundle.events(lines, json.loads, MOST_EVENTS))


def archive(parts: dict[str, bytes], missing: dict[str, str]) -> bytes:
    """A gzipped tar of the parts, and of `missing.json`."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in {**parts, "missing.json": _json(missing)}.items():
            member = tarfile.TarInfo(f"guard-debug/{name}")
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
