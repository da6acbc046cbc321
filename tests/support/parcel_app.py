"""An application with a few routes, to be called in this process."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

import asyncpg
import httpx
from fastapi import APIRouter, FastAPI, Query
from pydantic import BaseModel

from shared.errors import FieldError, Problem, Retryable
from shared.http import (
    Conditional,
    CustomerPath,
    Instant,
    LabelLanguage,
    Language,
    Page,
    Paging,
    ProblemKind,
    problems,
    serve_within,
)
from shared.settings import Settings

KEY = {"Authorization": "Bearer key-of-the-tests"}


UTC_NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


ODD_IDS = [
    ("plain", "plain"),
    ("a%2Fb", "a/b"),
    ("a%2fb%2Fhistory", "a/b/history"),
    ("a%252Fb", "a%2Fb"),
    ("100%25", "100%"),
    ("%F0%9F%98%80", "😀"),
    ("a+b", "a+b"),
    ("a%20b%3Fc%23d", "a b?c#d"),
    ("%2E%2E", ".."),
    ("%F0%9F%91%A8%E2%80%8D%F0%9F%91%A7", "👨\u200d👧"),
    ("a%C2%A0b", "a\u00a0b"),
]


def settings(**changes: object) -> Settings:
    known = {"kafka_bootstrap": "-", "database_url": "-", "api_key": "key-of-the-tests"}
    return Settings.model_validate(known | changes)


class Parcel(BaseModel):
    weight: int


router = APIRouter(prefix="/v1", tags=["test"])


@router.get("/customers/{customer}")
async def customer_view(customer: CustomerPath) -> dict[str, str]:
    return {"customer": customer}


@router.get("/customers/{customer}/history")
async def history_view(customer: CustomerPath, paging: Paging) -> dict[str, object]:
    return {"history": customer, "after": paging.after(datetime, str, int)}


@router.get("/numbers")
async def numbers(paging: Paging) -> Page[int]:
    after = paging.after(int)
    first = after[0] + 1 if after else 0
    rows = list(range(first, 10))[: paging.limit + 1]
    return Page[int].of(rows, paging, key=lambda n: (n,), view=lambda n: n)


@router.get("/instant")
async def instant(at: Annotated[Instant, Query()]) -> dict[str, Instant]:
    return {"at": at}


@router.post("/parcels")
async def post_parcel(parcel: Parcel) -> Parcel:
    return parcel


class Weighed(BaseModel):
    weight: int
    as_of: Instant


@router.get(
    "/scale/{weight}",
    responses=problems(ProblemKind(404, "nothing", "There is nothing on the scale.")),
)
async def weigh(
    weight: int, as_of: Annotated[Instant, Query()], conditional: Conditional, _: LabelLanguage
) -> Weighed:
    if not weight:
        raise Problem(404, "nothing", "There is nothing on the scale.")
    return conditional.answer(Weighed(weight=weight, as_of=as_of))


@router.get("/word")
async def word(wording: LabelLanguage) -> dict[str, str]:
    return {"word": "Kunde" if wording is Language.GERMAN else "customer"}


RAISED: dict[str, Exception] = {
    "problem": Problem(409, "busy", "It is taken.", errors=(FieldError("a", "b"),), retry_after=7),
    "retryable": Retryable("gone for a moment"),
    "postgres": asyncpg.SerializationError("could not serialize"),
    "standby": asyncpg.ReadOnlySQLTransactionError(
        "cannot execute DELETE in a read-only transaction"
    ),
    "socket": ConnectionRefusedError(111, "refused"),
    "bug": KeyError("internal detail"),
}


@router.get("/raise/{name}")
async def raise_it(name: str) -> None:
    raise RAISED[name]


def client_of(app: FastAPI, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=headers
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_within(app, settings(port=port), stop))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=KEY) as client:
        for _ in range(1000):
            try:
                await client.get("/livez")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0)
        yield client
    stop.set()
    await serving
