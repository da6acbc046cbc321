"""What shops do over HTTP while the workers die: codes, claims, redemptions, and the answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import httpx
from fastapi import FastAPI

from services.reactivation import app as reactivation
from services.referral import app as referral
from tests.fault.market import ASKING, HTTP_REFEREES, referral_settings, winback_settings
from tests.support.builders import order
from tests.support.server_stack import Stack

PAUSE_S: Final = 0.1


@dataclass(slots=True)
class ShopCalls:
    """The APIs of both services, called again and again; what was promised must hold in the end."""

    winback: httpx.AsyncClient
    referral: httpx.AsyncClient
    confirmed: dict[str, str] = field(default_factory=dict)
    """The order for which the use of a code was confirmed."""
    claims: set[UUID] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    """Who has asked for a code."""
    codes: set[str] = field(default_factory=set)
    """The codes answered, perhaps those of another id of the person who asked."""
    _seen: set[str] = field(default_factory=set)
    _placed: set[str] = field(default_factory=set)
    _trading: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to trade."""
        self._trading = asyncio.create_task(self._trade())

    async def _trade(self) -> None:
        """Ask for codes, claim and redeem until cancelled."""
        asking = list(ASKING)
        referees = list(HTTP_REFEREES)
        while True:
            if asking:
                await self._ask(asking.pop())
            if referees and self.codes:
                codes = sorted(self.codes)
                await self._claim(referees.pop(), codes[len(referees) % len(codes)])
            await self._redeem()
            await asyncio.sleep(PAUSE_S)

    def placed(self, *, after: str) -> list[dict[str, Any]]:
        """The orders that codes were used for, as events; each once."""
        new = self.confirmed.keys() - self._placed
        self._placed = set(self.confirmed)
        return [
            order(
                self.confirmed[code].split("-")[0],
                datetime.fromisoformat(after),
                id=self.confirmed[code],
                coupon=code,
            )
            for code in sorted(new)
        ]

    async def close(self) -> None:
        """Nobody comes any more."""
        if self._trading:
            self._trading.cancel()
            await asyncio.wait([self._trading])
            if not self._trading.cancelled():
                self._trading.result()

    async def _ask(self, customer: str) -> None:
        answer = await self.referral.post("/v1/codes", json={"customer": customer})
        assert answer.status_code in (200, 201), answer.text
        self.asked.add(customer)
        self.codes.add(answer.json()["code"])

    async def _claim(self, referee: str, code: str) -> None:
        body = {"code": code, "referee": referee}
        answer = await self.referral.post("/v1/claims", json=body)
        assert answer.status_code in (200, 201, 409, 422, 503), answer.text
        if answer.is_success:
            self.claims.add(UUID(answer.json()["id"]))

    async def _redeem(self) -> None:
        """Of the open offers, confirm some, release some, and leave the others to the orders."""
        found = await self.winback.get("/v1/cases", params={"state": "offered", "limit": 1000})
        assert found.is_success, found.text
        for case in found.json()["items"]:
            number = UUID(case["id"])
            code = case["offer"]["code"]
            if code not in self._seen and number.int % 3 < 2:
                self._seen.add(code)
                await self._use(
                    case["customer"], code, then="release" if number.int % 3 else "confirm"
                )

    async def _use(self, customer: str, code: str, *, then: str) -> None:
        """While ids are merged or parted, the code may be another's (403), or be busy (503)."""
        order = {"customer": customer, "order_id": f"{customer}-till-{code[:4]}"}
        for step in ("reserve", then):
            answer = await self.winback.post(f"/v1/offers/{code}/{step}", json=order)
            assert answer.status_code in (200, 403, 409, 410, 503), answer.text
            if answer.status_code != 200:
                return
        if then == "confirm":
            self.confirmed[code] = order["order_id"]


@asynccontextmanager
async def shop_calls(stack: Stack, database: str) -> AsyncIterator[ShopCalls]:
    """Both APIs in this process, in use until the block ends."""
    place = {"kafka_bootstrap": stack.bootstrap, "database_url": database}
    async with AsyncExitStack() as exits:
        winback_client = await _client(exits, reactivation.create_app(winback_settings(**place)))
        referral_client = await _client(exits, referral.create_app(referral_settings(**place)))
        made = ShopCalls(winback_client, referral_client)
        made.open()
        try:
            yield made
        finally:
            await made.close()


async def _client(exits: AsyncExitStack, app: FastAPI) -> httpx.AsyncClient:
    await exits.enter_async_context(app.router.lifespan_context(app))
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://api",
        headers={"Authorization": "Bearer key-of-the-tests"},
    )
    return await exits.enter_async_context(client)
