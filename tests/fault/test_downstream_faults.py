"""Reactivation and referral, killed at any point: nothing is lost or doubled."""

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from shared.kafka.topics import REFERRAL_EVENTS
from shared.processes import LIFECYCLE, REACTIVATION, REFERRAL
from tests.fault.announcements import received, record_announcements
from tests.fault.market import generate_market, recommended_before
from tests.fault.processes import PATIENCE_S, SEEDS, Workers, workers
from tests.fault.rewards import verify_referral
from tests.fault.shop_calls import ShopCalls, shop_calls
from tests.fault.traffic import Traffic, verify
from tests.fault.winback import verify_winback
from tests.fault.worker import LOSSES, POINTS
from tests.support.builders import event
from tests.support.pipeline import publish, settled
from tests.support.server_stack import Stack

BOTH = (REACTIVATION, REFERRAL)
PAIRS = list(zip(*[iter(POINTS[REFERRAL])] * 2, strict=True))
"""Two kills in one run, as a run takes long: every point once."""
ANNOUNCEMENTS = ("referral.succeeded", "referral.annulled")


class Market:
    """Workers of some services, with lifecycle's beside them, and traffic that comes in parts."""

    def __init__(
        self, stack: Stack, database: str, group: Workers, shop: ShopCalls, traffic: Traffic
    ) -> None:
        self.stack = stack
        self.database = database
        self.group = group
        self.shop = shop
        self._traffic = traffic
        self._left = list(traffic.events)
        self._accepted = list[dict[str, Any]]()

    async def send(self, share: float) -> None:
        """Publish the next part of the traffic, after the orders for which codes were used."""
        number = round(share * len(self._traffic.events))
        part = self._left[:number]
        self._left = self._left[number:]
        if self._accepted:
            part = [*self.shop.placed(after=self._accepted[-1]["time"]), *part]
        self._accepted += part
        await publish(self.stack.bootstrap, part)

    async def kill(self, services: Sequence[str], point: str, nth: int, *guard: str) -> None:
        """Run these workers until each of them has ended itself."""
        victims = [
            await self.group.start(point, str(nth), "SIGKILL", *guard, service=name)
            for name in services
        ]
        assert {await victim.wait() for victim in victims} == {-signal.SIGKILL}

    async def recover(self, services: Sequence[str], *guard: str) -> None:
        """Sound workers finish the job."""
        await self.send(1)
        sound = [await self.group.start(*guard, service=name) for name in services]
        await settled(self.stack, self.database, LIFECYCLE, *services, within_s=PATIENCE_S)
        await self.shop.close()
        await settled(self.stack, self.database, LIFECYCLE, *services, within_s=PATIENCE_S)
        assert {await self.group.stop(worker) for worker in sound} == {0}

    async def verify(self, services: Sequence[str]) -> None:
        """Everything must be as if nothing had happened."""
        bootstrap = self.stack.bootstrap
        database = self.database
        announced = await received(bootstrap, REFERRAL_EVENTS)
        outcomes = [
            event(e.subject, e.type, e.time, id=e.id, **msgspec.json.decode(e.data))
            | {"source": e.source}
            for e in announced
            if e.type in ANNOUNCEMENTS
        ]
        await verify(bootstrap, database, Traffic(self._accepted + outcomes, self._traffic.end))
        if REACTIVATION in services:
            await verify_winback(bootstrap, database, self.shop.confirmed, self._traffic.end)
        if REFERRAL in services:
            await verify_referral(bootstrap, database, self.shop, self._traffic.end)


@asynccontextmanager
async def market(stack: Stack, database: str, seed: int) -> AsyncIterator[Market]:
    """A market with lifecycle's worker running and the shop at the tills."""
    await record_announcements(database)
    await publish(stack.bootstrap, recommended_before(), topic=REFERRAL_EVENTS)
    async with workers(stack, database) as group, shop_calls(stack, database) as shop:
        made = Market(stack, database, group, shop, generate_market(seed))
        await made.send(0.45)
        await group.start()
        yield made


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("first", "then"), PAIRS)
async def test_both_workers_killed_at_any_point_leave_nothing_lost_or_doubled(
    stack: Stack, clean_database: str, first: str, then: str, seed: int
) -> None:
    async with market(stack, clean_database, seed) as here:
        await here.kill(BOTH, first, 2 + seed % 4)
        await here.send(0.25)
        await here.kill(BOTH, then, 1 + seed % 4)
        await here.recover(BOTH)
        await here.verify(BOTH)


@pytest.mark.parametrize("service", BOTH)
async def test_a_checkpoint_that_moves_before_its_work_is_seen_to_lose_it(
    stack: Stack, clean_database: str, service: str
) -> None:
    async with market(stack, clean_database, SEEDS[0]) as here:
        (point,) = LOSSES[service]
        await here.kill([service], point, 1, "--without", "checkpoint")
        await here.recover([service])
        with pytest.raises(AssertionError, match="differ"):
            await here.verify([service])
