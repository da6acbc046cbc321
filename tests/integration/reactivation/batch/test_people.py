"""Random merges and unmerges among orders and lapses, applied by the owners of two partitions."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

import asyncpg
import pytest

from services.reactivation.batch.handler import ReactivationHandler
from services.reactivation.cases import repository
from services.reactivation.domain.cases import Case, Lapse, State, Terms, case_id
from services.reactivation.domain.codes import code_of
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent, join
from services.reactivation.events import REGROUPED, read
from shared.database import connection as db
from shared.events.envelope import decode
from shared.identities import Identities, Merge
from shared.ids import partition_of
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.stream.batch import Batch, Incoming, Portion
from tests.support.builders import day, encode, event, order
from tests.support.reactivation_worker import Json, changed

TERMS = Terms(secret=b"secret")
OWNERS = 2
END = 400
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass
class Group:
    """Some ids that become one customer and several again, and what is sent for each."""

    ids: list[str]
    chance: random.Random
    lapses: dict[str, list[Lapse]] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    steps: list[tuple[str, Json]] = field(default_factory=list)

    def live(self) -> None:
        for id in self.ids:
            days = sorted(self.chance.sample(range(20, 200, 10), self.chance.randint(0, 2)))
            self.lapses[id] = [Lapse(day(n), "fell_silent", "inactive") for n in days]
        for id in self.ids:
            self._buy(id)
            for n in range(self.chance.choice((0, 1, 1, 2))):
                self._merge_or_part(id, n)
        self.events += self.chance.sample(self.events, len(self.events) // 3)
        self.chance.shuffle(self.events)
        self.steps = [(CUSTOMER_EVENTS, each) for each in self.events]
        for id, lapses in self.lapses.items():
            for version, lapse in enumerate(lapses, 1):
                record = (PHASE_TRANSITIONS, changed(id, version, lapse.occurred_at))
                self.steps.insert(self.chance.randint(0, len(self.steps)), record)

    def _buy(self, id: str) -> None:
        everybodys = [(owner, lapse) for owner in self.ids for lapse in self.lapses[owner]]
        for n in range(self.chance.randint(0, 3)):
            at = 10 * self.chance.randint(0, 24) + 5
            coupon = None
            if everybodys and self.chance.random() < 0.5:
                owner, lapse = self.chance.choice(everybodys)
                coupon = code_of(case_id(owner, lapse), TERMS.secret)
            made = order(id, at, id=f"{id}-o{n}", coupon=coupon)
            self.events.append(made)
            if self.chance.random() < 0.3:
                gone = event(id, "order.cancelled", at + 3, id=f"{id}-x{n}", order_id=made["id"])
                self.events.append(gone)

    def _merge_or_part(self, id: str, n: int) -> None:
        at = self.chance.randint(0, 250)
        if self.chance.random() < 0.65:
            into = self.chance.choice([other for other in self.ids if other != id])
            self.events.append(event(id, "customer.merged", at, id=f"{id}-m{n}", into=into))
        else:
            self.events.append(event(id, "customer.unmerged", at, id=f"{id}-m{n}"))

    def identities(self) -> Identities:
        said = [read(CUSTOMER_EVENTS, decode(encode(each))) for each in self.events]
        return Identities([each for each in said if isinstance(each, Merge)])

    def all_expected(self, stored: list[Case]) -> dict[object, Case]:
        """The cases of all customers that the ids are, if these cases were opened."""
        bare = [
            replace(case, state=State.OFFERED, ended_at=None, used_for=None, reason=None)
            for case in stored
        ]
        identities = self.identities()
        survivors = {identities.survivor(id) for id in self.ids}
        return {
            id: case for survivor in survivors for id, case in self.expected(survivor, bare).items()
        }

    def expected(self, survivor: str, promised: list[Case]) -> dict[object, Case]:
        """The cases of a customer, if these were promised."""
        identities = self.identities()
        members = [self._history(id, promised) for id in sorted(identities.members(survivor))]
        lapses = {each.key: each for member in members for each in member.lapses}.values()
        whole = join(survivor, members, lapses, identities.merged_at(survivor))
        history = whole if len(members) > 1 else members[0]
        folded = fold_history(history, TERMS, day(END))
        return {case.id: replace(case, version=0) for case in folded.cases}

    def _history(self, id: str, promised: list[Case]) -> History:
        said = {
            each["id"]: read(CUSTOMER_EVENTS, decode(encode(each)))
            for each in self.events
            if each["subject"] == id
        }
        orders = tuple(each for each in said.values() if isinstance(each, OrderEvent))
        cases = {case.id: case for case in promised if case.origin == id}
        return History(id, tuple(self.lapses[id]), orders, (), cases)


@pytest.fixture
async def connection(blank: str) -> AsyncIterator[Connection]:
    made = await db.connect(blank, "reactivation")
    yield made
    await made.close()


async def apply(
    connection: Connection,
    partition: int,
    steps: list[tuple[str, Json]],
    clock: datetime,
    tick: datetime | None = None,
) -> list[tuple[str, Json]]:
    """Apply a batch of one partition; returns the internal events that come of it."""
    portion = Portion(partition, 1, clock, tick=tick)
    for offset, (topic, record) in enumerate(steps):
        value = encode(record)
        said = read(topic, decode(value))
        if said is not None:
            portion.events.append(Incoming(topic, partition, offset, value, decode(value), said))
    handler = ReactivationHandler(connection, TERMS, partitions=OWNERS, timers_per_batch=1_000)
    async with db.transaction(connection) as tx:
        await handler.apply(await handler.prepare(Batch({partition: portion})), tx)
    sent = [
        decode(row["body"]) for row in await connection.fetch("DELETE FROM outbox RETURNING body")
    ]
    return [
        (WINBACK_EVENTS, event(each.subject, REGROUPED, each.time, id=each.id))
        for each in sent
        if each.type == REGROUPED
    ]


@pytest.mark.parametrize("seed", range(8))
async def test_every_customer_has_the_cases_of_all_its_ids_and_no_others(
    connection: Connection, seed: int
) -> None:
    chance = random.Random(seed)
    groups = [Group([f"{n}{letter}" for letter in "abcd"], chance) for n in range(12)]
    queues: dict[int, list[tuple[str, Json]]] = {owner: [] for owner in range(OWNERS)}
    for group in groups:
        group.live()
        for step in group.steps:
            queues[partition_of(step[1]["subject"], OWNERS)].append(step)
    clock = 0
    while any(queues.values()):
        owner = chance.choice([owner for owner, queue in queues.items() if queue])
        size = chance.choice((1, 3, 20))
        taken = [queues[owner].pop(0) for _ in range(min(size, len(queues[owner])))]
        for told in await apply(connection, owner, taken, day(clock)):
            queues[partition_of(told[1]["subject"], OWNERS)].append(told)
        clock = min(clock + chance.choice((0, 0, 0, 5)), 250)
    for owner in range(OWNERS):
        assert await apply(connection, owner, [], day(clock), day(END)) == []
    rows = await connection.fetch(
        f"SELECT {repository.CASE_COLUMNS} FROM {repository.CASES_WITH_OFFERS}"
    )
    stored = [replace(repository.case_of(row), version=0) for row in rows]
    assert stored
    assert {case.id: case for case in stored if case.state is not State.CANCELLED} == {
        id: case for group in groups for id, case in group.all_expected(stored).items()
    }
    survivors = {id: group.identities().survivor(id) for group in groups for id in group.ids}
    assert {case.id: case.customer for case in stored} == {
        case.id: survivors[case.origin] for case in stored
    }
