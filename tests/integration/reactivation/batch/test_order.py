"""Whatever the order of arrival, batches and repeats: the same cases as in the plain fold."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from services.reactivation.batch.handler import ReactivationHandler
from services.reactivation.cases import repository
from services.reactivation.domain.cases import Case, Lapse, State, Terms, case_id
from services.reactivation.domain.codes import code_of
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent
from services.reactivation.events import read
from shared.database import connection as db
from shared.events.envelope import decode
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS
from shared.stream.batch import Batch, Incoming, Portion
from tests.support.builders import day, encode, order
from tests.support.reactivation_worker import changed, corrected, transition

TERMS = Terms(secret=b"secret")
END = 900
Record = dict[str, Any]
Step = tuple[str, Record]
RULES = {"fell_silent": "inactive", "relationship_ended": "former"}


@dataclass
class Life:
    """A customer's records as lifecycle and the shop make them, and what holds in the end."""

    customer: str
    chance: random.Random
    transitions: list[dict[str, Any]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    current: dict[int, list[Lapse]] = field(default_factory=dict)
    has_lost_lapses: bool = False

    def live(self) -> None:
        """Make transitions, corrections that withdraw and add, and orders, some with a code."""
        seen: list[Lapse] = []
        for version in range(1, 3 * self.chance.randint(2, 6), 3):
            if self.current and self.chance.random() < 0.4:
                self._correct(version)
            else:
                rule = self.chance.choice(list(RULES))
                lapse = Lapse(day(10 * self.chance.randint(0, 60)), rule, RULES[rule])
                self.current[version] = [lapse]
                self.transitions.append(
                    changed(self.customer, version, lapse.occurred_at, to=lapse.phase, rule=rule)
                )
            seen += [each for n in range(version - 2, version + 1) for each in self._held(n)]
        for number in range(self.chance.randint(0, 5)):
            coupon = (
                code_of(case_id(self.customer, self.chance.choice(seen)), TERMS.secret)
                if seen
                else None
            )
            given = coupon if self.chance.random() < 0.5 else None
            made = order(
                self.customer,
                10 * self.chance.randint(0, 70),
                id=f"{self.customer}-{number}",
                coupon=given,
            )
            self.orders.append(made)

    def _correct(self, version: int) -> None:
        gone = self.chance.sample(list(self.current), self.chance.randint(1, len(self.current)))
        void = [lapse for number in gone for lapse in self.current.pop(number)]
        back = [lapse for lapse in void if self.chance.random() < 0.6]
        self.has_lost_lapses |= len(back) < len(void)
        cuts = sorted(self.chance.randint(0, len(back)) for _ in range(self.chance.randint(0, 2)))
        spans = list(pairwise([0, *cuts, len(back)]))
        for part, (start, end) in enumerate(spans, 1):
            number = version - len(spans) + part
            self.current[number] = back[start:end]
            self.transitions.append(
                corrected(
                    self.customer,
                    number,
                    0,
                    withdrawn=gone if number == version else [],
                    added=[self._again(each, n) for n, each in enumerate(back[start:end])],
                    part=part,
                    parts=len(spans),
                )
            )

    def _again(self, lapse: Lapse, position: int) -> Record:
        again = transition(
            self.customer,
            0,
            lapse.occurred_at,
            to=lapse.phase,
            rule=lapse.rule,
            historical=True,
        )
        return {**again, "position": position}

    def _held(self, version: int) -> list[Lapse]:
        return self.current.get(version, [])

    def arrival(self) -> list[Step]:
        """Transitions in order, orders anywhere between them, and repeats of both later on."""
        steps: list[Step] = [(PHASE_TRANSITIONS, each) for each in self.transitions]
        for each in self.orders:
            steps.insert(self.chance.randint(0, len(steps)), (CUSTOMER_EVENTS, each))
        for place, step in self.chance.sample(list(enumerate(steps)), len(steps) // 2):
            steps.insert(self.chance.randint(place + 1, len(steps)), step)
        return steps

    def folded(self, promised: Mapping[UUID, Case]) -> list[Case]:
        """What must come out, if these cases were opened for lapses that may have moved."""
        bare = {id: replace(case, state=State.OFFERED) for id, case in promised.items()}
        said = [read(CUSTOMER_EVENTS, decode(encode(each))) for each in self.orders]
        orders = tuple(each for each in said if isinstance(each, OrderEvent))
        lapses = tuple(lapse for found in self.current.values() for lapse in found)
        return list(
            fold_history(History(self.customer, lapses, orders, (), bare), TERMS, day(END)).cases
        )


@pytest.fixture
async def connection(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    made = await db.connect(database, "reactivation")
    yield made
    await made.close()


def batch(steps: Sequence[Step], clock: datetime, tick: datetime | None) -> Batch:
    portion = Portion(0, 1, clock, tick=tick)
    for topic, record in steps:
        value = encode(record)
        event = decode(value)
        content = read(topic, event)
        if content is not None:
            portion.events.append(Incoming(topic, 0, 0, value, event, content))
    return Batch({0: portion})


async def apply(connection: "asyncpg.Connection[asyncpg.Record]", made: Batch) -> None:
    handler = ReactivationHandler(connection, TERMS, partitions=1, timers_per_batch=1_000)
    async with db.transaction(connection) as tx:
        await handler.apply(await handler.prepare(made), tx)


def content(cases: Sequence[Case]) -> list[Case]:
    return [
        replace(case, version=0) for case in sorted(cases, key=lambda case: case.lapse.occurred_at)
    ]


@pytest.mark.parametrize("seed", range(25))
async def test_any_arrival_ends_in_the_cases_of_the_plain_fold(
    connection: "asyncpg.Connection[asyncpg.Record]", seed: int
) -> None:
    chance = random.Random(seed)
    lives = [Life(f"c{seed}-{number}", chance) for number in range(60)]
    queues = []
    for life in lives:
        life.live()
        queues.append(life.arrival())
    clock = 0
    while any(queues):
        taken = [
            queue.pop(0) for queue in queues if queue for _ in range(chance.randint(0, 3)) if queue
        ]
        ahead = clock + chance.choice([0, 0, 20, 60])
        await apply(connection, batch(taken, day(clock), day(ahead) if ahead > clock else None))
        clock = min(ahead, END - 1)
    await apply(connection, batch([], day(clock), day(END)))
    groups = {life.customer: repository.Group({life.customer}, None, ()) for life in lives}
    for known in await repository.load_histories(connection, groups):
        life = next(life for life in lives if life.customer == known.customer)
        live = [case for case in known.cases.values() if case.state is not State.CANCELLED]
        promised = known.cases if life.has_lost_lapses else {}
        assert content(live) == content(life.folded(promised)), life
    await check_announcements(connection)


async def check_announcements(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Versions are gap-free, ids unique, and the last record about a case tells where it stands."""
    told: dict[str, list[tuple[int, str]]] = defaultdict(list)
    ids = set()
    rows = await connection.fetch("SELECT body FROM outbox ORDER BY seq")
    for row in rows:
        event = decode(row["body"])
        data = msgspec.json.decode(event.data)
        told[data["case_id"]].append((data["version"], event.type))
        ids.add(event.id)
    assert len(ids) == len(rows) > 0
    for case in await connection.fetch("SELECT id, version, state FROM winback_case"):
        facts = told[str(case["id"])]
        assert [version for version, _ in facts] == list(range(1, case["version"] + 1))
        last = {"offered": "offer.made", "cancelled": "case.cancelled"}.get(
            case["state"], "case.closed"
        )
        assert facts[-1][1] == last
    timers = await connection.fetchval("SELECT count(*) FROM timer")
    assert timers == await connection.fetchval(
        "SELECT count(*) FROM winback_case WHERE state = 'offered'"
    )
