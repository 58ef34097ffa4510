"""The endpoints of the release path, beside those of `admin`.

GET  /admin/v1/release           roles, stage, verdict, drift, history
GET  /admin/v1/release/verdict   the verdict alone, for other controllers
POST /admin/v1/release/ORDER     {"reason", "step"?, "override"?, "again"?, "noise"?}
                                 ORDER: shadow, canary, abort, promote, rollback
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from guard.control.order_store import Refused
from guard.control.tokens import Identity

ORDERS: Final = ("shadow", "canary", "abort", "promote", "rollback")
PATH: Final = "/admin/v1/release"

Endpoint = Callable[[Request, Identity], Awaitable[Response]]
Read = Callable[[Request, type[Any]], Awaitable[Any]]


class ReleaseOrder(BaseModel):
    """The body of an order."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    reason: str = Field(min_length=1, max_length=500)
    step: int | None = Field(default=None, ge=1, le=100)
    override: str | None = Field(default=None, min_length=1, max_length=500)
    again: str | None = Field(default=None, min_length=1, max_length=500)
    noise: bool = False


class Releases(Protocol):
    """The release path as the API uses it."""

    async def order(
        self, kind: str, *, reason: str, who: str, epoch: int | None = None, step: int | None = None,
        override: str | None = None, again: str | None = None, noise: bool = False,
    ) -> dict[str, Any]:  # fmt: skip
        """Give an order. Raises Refused."""

    async def document(self) -> dict[str, Any]:
        """Everything about releases."""

    def verdict(self) -> dict[str, Any]:
        """The verdict."""


class ReleaseApi:
    """The endpoints. `read` reads an order's body."""

    def __init__(self, releases: Releases, read: Read) -> None:
        self._releases, self._read = releases, read

    def endpoints(self) -> dict[str, tuple[str, Endpoint]]:
        """Path → method and endpoint."""
        orders: dict[str, tuple[str, Endpoint]] = {
            f"{PATH}/{kind}": ("POST", partial(self._order, kind)) for kind in ORDERS
        }
        return {PATH: ("GET", self._document), f"{PATH}/verdict": ("GET", self._verdict), **orders}

    async def _document(self, request: Request, identity: Identity) -> Response:
        del request, identity
        return JSONResponse(await self._releases.document())

    async def _verdict(self, request: Request, identity: Identity) -> Response:
        del request, identity
        return JSONResponse(self._releases.verdict())

    async def _order(self, kind: str, request: Request, identity: Identity) -> Response:
        order = await self._read(request, ReleaseOrder)
        raw = request.headers.get("if-match", "").strip().strip('"')
        if raw and not (raw.isascii() and raw.isdigit() and len(raw) < 18):
            raise Refused(412, "epoch", "If-Match must be an epoch, such as 7")
        epoch = int(raw) if raw else None
        return JSONResponse(await self._releases.order(kind, **order.model_dump(), who=identity.name, epoch=epoch))
