"""What must come of win-back: the cases of the plain fold of all events, each announced."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from services.reactivation.cases.repository import CASE_COLUMNS, CASES_WITH_OFFERS, case_of
from services.reactivation.domain.cases import Case, Lapse, State
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent
from services.reactivation.domain.permissions import Permission
from services.reactivation.events import REGROUPED, read
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction, Transition
from shared.ids import stable_id
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.processes import REACTIVATION
from tests.fault.announcements import difference, received, verify_announced
from tests.fault.market import winback_settings
from tests.support.pipeline import rows

Told = tuple[object, ...]

_CASES: Final = f"SELECT {CASE_COLUMNS} FROM {CASES_WITH_OFFERS}"
_CLOSING: Final = {
    State.WON_BACK: "case.closed",
    State.EXPIRED: "case.closed",
    State.LET_GO: "case.closed",
    State.REOPENED: "case.reopened",
    State.CANCELLED: "case.cancelled",
}
_ENDINGS: Final = {"case.closed", "case.cancelled"}
_LAST: Final = {"offer.made", *_CLOSING.values()}


async def verify_winback(
    bootstrap: str, database: str, confirmed: dict[str, str], end: datetime
) -> None:
    """No case is lost, doubled or left behind, in the tables and on the topic."""
    stored = await rows(database, _CASES, schema=REACTIVATION)
    cases = [case_of(row) for row in stored]
    expected = await _expected(bootstrap, cases, end)
    found = {case.id: _ending(case) for case in cases if case.state is not State.CANCELLED}
    assert found == expected, f"cases differ: {difference(found, expected)}"
    assert Counter(ending[1] for ending in expected.values()).keys() >= {
        State.WON_BACK,
        State.EXPIRED,
    }
    used = {
        case.offer.code: use.order_id
        for case in cases
        if case.offer
        for use in case.offer.confirmations
    }
    assert used == confirmed, f"redemptions differ: {difference(used, confirmed)}"
    assert await rows(database, "SELECT 1 FROM reactivation.outbox") == []
    assert await rows(database, "SELECT reason, detail FROM reactivation.dead_letter") == []
    _verify_announcements(await verify_announced(bootstrap, database, WINBACK_EVENTS), stored)


async def _expected(bootstrap: str, stored: Sequence[Case], end: datetime) -> dict[UUID, Told]:
    """Fold everything on the topics; what was promised and used before is a fact."""
    lapses = await _lapses(bootstrap)
    said = await _said(bootstrap)
    promised: dict[str, dict[UUID, Case]] = defaultdict(dict)
    for case in stored:
        bare = replace(case, state=State.OFFERED, ended_at=None, used_for=None, reason=None)
        promised[case.origin][case.id] = bare
    expected: dict[UUID, Told] = {}
    for customer, found in lapses.items():
        history = History(
            customer,
            tuple(found),
            tuple(each for each in said[customer] if isinstance(each, OrderEvent)),
            tuple(each for each in said[customer] if isinstance(each, Permission)),
            promised[customer],
        )
        folded = fold_history(history, winback_settings().terms, end)
        expected |= {case.id: _ending(case) for case in folded.cases}
    return expected


async def _lapses(bootstrap: str) -> dict[str, list[Lapse]]:
    """Lapses that hold, unless they were never more than history."""
    versions: dict[str, dict[tuple[int, int], Transition]] = defaultdict(dict)
    withdrawn = set[tuple[str, int]]()
    for event in await received(bootstrap, PHASE_TRANSITIONS):
        said = transitions.decode(event)
        added: Iterable[Transition] = ()
        if isinstance(said, Correction):
            withdrawn |= {(event.subject, version) for version in said.withdrawn}
            added = said.added
        elif said:
            added = (said,)
        versions[event.subject] |= {(t.version, t.position): t for t in added}
    lapses: dict[str, list[Lapse]] = {}
    for customer, announced in versions.items():
        lapsed = [
            t for t in announced.values() if t.to in ("inactive", "former") and t.profile.orders > 0
        ]
        holds = {_key(t) for t in lapsed if (customer, t.version) not in withdrawn}
        acted_on = {_key(t) for t in lapsed if not t.historical}
        lapses[customer] = [Lapse(*key) for key in sorted(holds & acted_on)]
    return lapses


def _key(move: Transition) -> tuple[datetime, str, str]:
    return move.occurred_at, move.rule, move.to


async def _said(bootstrap: str) -> dict[str, set[object]]:
    """What the events of each customer say to win-back, each once."""
    said: dict[str, set[object]] = defaultdict(set)
    for event in await received(bootstrap, CUSTOMER_EVENTS):
        said[event.subject].add(read(CUSTOMER_EVENTS, event))
    return said


def _ending(case: Case) -> Told:
    return (
        case.customer,
        case.state,
        case.lapse.occurred_at,
        case.ended_at,
        case.order_id,
        case.with_code,
        case.used_for,
    )


def _verify_announcements(events: list[Envelope], stored: Sequence[asyncpg.Record]) -> None:
    """Each case has records 1, 2, 3, … and ends as stored; nobody ever has two open cases."""
    told: dict[UUID, list[str]] = defaultdict(list)
    last: dict[UUID, dict[str, Any]] = {}
    running: dict[str, set[UUID]] = defaultdict(set)
    for event in events:
        data = msgspec.json.decode(event.data)
        if event.type == REGROUPED:
            continue
        case = UUID(data["case_id"])
        told[case].append(event.id)
        if event.type in ("case.opened", "case.reopened"):
            running[event.subject].add(case)
        if event.type in _LAST:
            last[case] = {**data, "type": event.type}
            running[event.subject] -= {case} if event.type in _ENDINGS else set()
        assert len(running[event.subject]) <= 1, f"{event.subject} has two open cases"
    versions = {row["id"]: row["version"] for row in stored}
    assert told == {
        case: [
            str(stable_id("reactivation", str(case), version)) for version in range(1, count + 1)
        ]
        for case, count in versions.items()
    }
    for row in stored:
        ending = last[row["id"]]["type"]
        if row["state"] == State.OFFERED:
            assert ending in ("offer.made", "case.reopened"), row
        else:
            assert ending == _CLOSING[row["state"]], row
        assert last[row["id"]].get("order_id") == row["order_id"] or row["state"] == State.CANCELLED
