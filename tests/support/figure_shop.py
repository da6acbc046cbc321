"""A simulated shop with its whole past, in the database as a worker leaves it, and in memory."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import msgspec

from services.lifecycle.batch import repository
from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.merges import forwarded
from services.lifecycle.batch.rows import CustomerRow, EventRow
from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.events import read
from services.lifecycle.figures.period import Account
from services.lifecycle.schedule import load_schedule
from shared.events.envelope import Envelope, decode
from shared.events.ranks import rank_of
from shared.ids import hash64, partition_of
from shared.kafka.topics import CUSTOMER_EVENTS
from shared.simulator.shop import Shop as Simulated
from shared.simulator.shop import lines, lives
from tests.support.builders import encode, event, order
from tests.support.fresh_servers import PARTITIONS
from tests.support.merge_network import hop_of, merged_into
from tests.support.policy_shop import Shop, new_shop
from tests.support.server_stack import Stack
from tests.support.simulation_shop import LifeStore, api

SIMULATED: Final = Simulated(customers=400, months=24, seed=11)
BEGIN: Final = datetime.fromisoformat("2023-01-01T00:00:00Z")
CLOCK: Final = SIMULATED.ends
AHEAD: Final = CLOCK + timedelta(days=2)
"""The clock of one partition; no other has come so far."""
Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Life:
    """One customer: all events, and what the fold makes of them until the clock."""

    customer: str
    events: list[Envelope]
    state: Customer
    moves: list[Move]

    def until(self, instant: datetime) -> list[Move]:
        """The moves before an instant."""
        return [move for move in self.moves if move.occurred_at < instant]

    def phase(self, instant: datetime) -> Phase | None:
        """The phase that the moves before an instant lead to."""
        return next((Phase(move.to) for move in reversed(self.until(instant))), None)

    def data(self, begin: datetime, end: datetime, *types: str) -> Iterator[tuple[Envelope, Raw]]:
        """The events of these types from `begin` on and before `end`, in order, with their data."""
        for told in sorted(self.events, key=fold_key):
            if begin <= told.time < end and told.type in types:
                yield told, msgspec.json.decode(told.data)


def fold_key(event: Envelope) -> tuple[datetime, int, str, str]:
    """Where an event stands in its customer's life."""
    return event.time, rank_of(event.type), event.source, event.id


@dataclass(slots=True)
class Past:
    """The shop, all lives of customers that are not merged into others, and the API."""

    shop: Shop
    lives: list[Life]
    client: httpx.AsyncClient

    def of(self, account: Account | None) -> list[Life]:
        """Those whose account is of this kind now."""
        return [life for life in self.lives if account is None or life.state.account == account]

    async def figure(self, name: str, **query: Any) -> Any:
        """A figure in detail."""
        asked = {key.rstrip("_"): str(value) for key, value in query.items() if value is not None}
        answer = await self.client.get(f"/v1/figures/{name}", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()


_WITHDRAWN: Final = """
INSERT INTO transition (
    customer, version, position, from_phase, to_phase, rule, occurred_at, since, withdrawn,
    withdrawn_at, recorded_at, body
)
SELECT customer, version + 1000 * n, position, left_, entered, rule, occurred_at - interval '1 day',
    occurred_at - interval '40 days', version + 9000, recorded_at, recorded_at, body
FROM transition, (
    VALUES (1, 'prospect', 'new'), (2, 'established', 'inactive'), (3, 'advocate', 'new')
) AS void(n, left_, entered)
WHERE position <= 2
"""
"""What corrections have voided counts nowhere."""


@asynccontextmanager
async def simulated_past(stack: Stack, template: str) -> AsyncIterator[Past]:
    """A shop of its own, filled."""
    async with new_shop(stack, template) as shop:
        await shop.set_clock(CLOCK)
        await shop.set_clock(AHEAD, partitions=[3])
        await shop.adopt(None, BEGIN)
        async with shop.connected() as connection:
            schedule = await load_schedule(connection)
            store = LifeStore(connection, schedule, CLOCK)
            told, merged = _told()
            for customer, records in told.items():
                await store.add(customer, records)
            await store.flush()
            await _add_merged(connection, merged)
            await connection.execute(_WITHDRAWN)
        async with api(stack, shop.url) as client:
            yield Past(
                shop, [life_of(customer, told[customer], schedule) for customer in told], client
            )


def life_of(customer: str, records: list[bytes], schedule: Schedule) -> Life:
    """A customer by all records; of those with one identity the first counts."""
    events = {(told.source, told.id): told for told in map(decode, reversed(records))}
    read_ = [read(CUSTOMER_EVENTS, told) for told in events.values()]
    folded = fold([found for found in read_ if isinstance(found, Happening)], schedule, until=CLOCK)
    return Life(customer, list(events.values()), folded.customer, list(folded.moves))


def _told() -> tuple[dict[str, list[bytes]], dict[str, list[bytes]]]:
    """The records of customers, and those of old ids, which customers have been told again."""
    told: dict[str, list[bytes]] = {}
    for life in lives(SIMULATED):
        for line in lines(SIMULATED, life):
            record = line.json.encode()
            told.setdefault(decode(record).subject or "", []).append(record)
    for customer, events in _scripted(sorted(told)):
        told.setdefault(customer, []).extend(map(encode, events))
    merged = {customer: told.pop(customer) for customer in list(told) if customer.endswith(".old")}
    for old, records in merged.items():
        into = old.removesuffix(".old")
        events_ = [event for event in map(decode, records) if event.type != "customer.merged"]
        told.setdefault(into, []).extend(
            forwarded(event, into, hop_of(old), PARTITIONS).body for event in events_
        )
    return told, merged


def _scripted(customers: list[str]) -> Iterator[tuple[str, list[Raw]]]:
    """What the simulator does not tell: recommendations, and lives that come seldom."""
    luck = random.Random(4)
    for n, customer in enumerate(luck.sample(customers, 90)):
        at = luck.uniform(20, 350)
        data = {"referee": f"friend-{n}", "order_id": f"o-{n}"}
        yield customer, [event(customer, "referral.succeeded", at, **data)]
        if n % 4 == 0:
            yield (
                customer,
                [event(customer, "referral.annulled", at + luck.uniform(0.1, 60), **data)],
            )
    for old in (customer for customer in customers if customer.endswith(".old")):
        yield (
            old,
            [event(old, "referral.succeeded", 360, referee="old friend", order_id=f"o-{old}")],
        )
    for n in range(12):
        a, b, c, d = (f"scripted-{kind}-{n}" for kind in ("undone", "fan", "contract", "late"))
        account = "b2b" if n % 2 else "b2c"
        signed = [
            event(customer, "customer.signed_up", 10, account=account) for customer in (a, b, c, d)
        ]
        back = [order(a, at + n, id=f"back-{at}-{n}") for at in (250, 290)]
        undone = [
            event(a, "order.cancelled", at + 5 + n, order_id=f"back-{at}-{n}") for at in (250, 290)
        ]
        yield (
            a,
            [signed[0], order(a, 20), *back, *undone, *([order(a, 320 + 3 * n)] if n % 3 else [])],
        )
        yield (
            b,
            [
                signed[1],
                event(b, "referral.succeeded", 30 + 5 * n),
                *([order(b, 90 + 9 * n)] if n % 3 else []),
            ],
        )
        concluded = event(c, "contract.concluded", 15, contract_id=c, term_months=1)
        renewed = [event(c, "contract.renewed", 46 + 30 * k, contract_id=c) for k in range(8)]
        praise = {
            **event(c, "feedback.submitted", 60 + 9 * n),
            "data": {"kind": "nps", "score": 10},
        }
        yield c, [signed[2], concluded, *renewed, praise]
        yield (
            d,
            [
                signed[3],
                order(d, 100, id=f"gone-{n}"),
                event(d, "order.cancelled", 101, order_id=f"gone-{n}"),
            ],
        )
        yield d, [order(d, 120 + 20 * n)]
        yield f"scripted-edits-{n}", _edited(f"scripted-edits-{n}", luck)


def _edited(customer: str, luck: random.Random) -> list[Raw]:
    """Orders that are changed in every way, at random instants of the year."""
    money = [{"amount": amount, "currency": "EUR"} for amount in (0, 400, 1000, 1500)]

    def change(kind: str, number: int) -> Raw:
        data: dict[str, Any] = {"order_id": f"edit-{luck.randrange(6)}"}
        if kind == "completed" or (kind == "updated" and luck.random() < 0.8):
            data["total"] = luck.choice(money)
        elif kind == "refunded":
            data |= {"amount": luck.choice(money)} if luck.random() < 0.7 else {}
            data |= {"refund_id": f"r{luck.randrange(3)}"} if luck.random() < 0.5 else {}
        elif kind == "refund_withdrawn":
            data["refund_id"] = f"r{luck.randrange(3)}"
        if luck.random() < 0.2:
            data["store"] = "/second"
        if kind == "completed" and luck.random() < 0.1:
            data |= luck.choice([{"test": True}, {"replacement_of": "edit-0"}])
        told = event(customer, f"order.{kind}", luck.uniform(15, 360), id=f"{customer}-{number}")
        return {**told, "data": data}

    kinds = ("completed", "completed", "updated", "refunded", "refund_withdrawn", "cancelled")
    return [change(luck.choice(kinds), number) for number in range(24)]


async def _add_merged(connection: Any, merged: dict[str, list[bytes]]) -> None:
    customers, events = list[CustomerRow](), list[EventRow]()
    for old, records in sorted(merged.items()):
        entry = CustomerEntry(
            old, partition_of(old, PARTITIONS), merges=merged_into(old.removesuffix(".old"))
        )
        customers.append(CustomerRow.of(entry))
        for record in records:
            told = decode(record)
            content, key = read(CUSTOMER_EVENTS, told), hash64(f"{told.source}\x1f{told.id}")
            assert isinstance(content, Happening)
            row = (
                entry.key,
                key,
                content.order_key,
                told.time,
                CLOCK,
                told.type,
                *content.amount_and_currency,
                record,
            )
            events.append(row)
    await repository.save_customers(connection, customers)
    await repository.add_events(connection, events)


Stay = tuple[Phase, datetime, datetime | None]


def stays(life: Life, until: datetime) -> list[Stay]:
    """Every stay in a phase that began before an instant, with its end if that is before it too."""
    found, phase, since = list[Stay](), None, BEGIN
    for move in life.until(until):
        if phase is not None:
            found.append((phase, since, move.occurred_at))
        phase, since = Phase(move.to), move.occurred_at
        if move.rule == RuleName.FIRST_PURCHASE_UNDONE and phase in (Phase.INACTIVE, Phase.FORMER):
            since = next(begun for left, begun, _ in reversed(found) if left is phase)
    return found if phase is None else [*found, (phase, since, None)]
