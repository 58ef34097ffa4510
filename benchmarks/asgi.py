"""The proxy that a team writes first: Starlette, and httpx to the model server; uvicorn serves it, with uvloop."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=1024)
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"], limits=limits, timeout=30.0) as client:
        app.state.client = client
        yield


async def forward(request: Request) -> Response:
    headers = [(name, value) for name, value in request.headers.raw if name not in (b"host", b"content-length")]
    answer = await request.app.state.client.post(request.url.path, content=await request.body(), headers=headers)
    return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])


app = Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])], lifespan=lifespan)
