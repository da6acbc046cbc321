"""What must come of win-back: the cases of the plain fold of all events, each announced."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from services.reactivation.cases.repository import CASE_COLUMNS, CASES_WITH_OFFERS, case_of
from services.reactivation.domain.cases import Case, Lapse, State
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent, join
from services.reactivation.domain.permissions import Permission
from services.reactivation.events import read
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction, Transition
from shared.ids import stable_id
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from shared.processes import REACTIVATION
from tests.fault.announcements import difference, received, verify_announced
from tests.fault.market import winback_settings
from tests.fault.merges import Persons, persons
from tests.support.pipeline import rows

Ending = tuple[object, ...]
"""What must be equal of a stored case and the one of the plain fold."""

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
    who = persons(await received(bootstrap, CUSTOMER_EVENTS))
    expected = await _expected(bootstrap, cases, end, who)
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
    told = await verify_announced(bootstrap, database, WINBACK_EVENTS)
    _verify_announcements(told, stored, who)


async def _expected(
    bootstrap: str, stored: Sequence[Case], end: datetime, who: Persons
) -> dict[UUID, Ending]:
    """Fold everything on the topics; what was promised and used before is a fact."""
    lapses = await _lapses(bootstrap)
    said = await _said(bootstrap)
    promised: dict[str, dict[UUID, Case]] = defaultdict(dict)
    for case in stored:
        bare = replace(case, state=State.OFFERED, ended_at=None, used_for=None, reason=None)
        promised[case.origin][case.id] = bare

    def history(id: str) -> History:
        return History(
            id,
            _holding(lapses, {id}, who),
            tuple(each for each in said[id] if isinstance(each, OrderEvent)),
            tuple(each for each in said[id] if isinstance(each, Permission)),
            promised[id],
        )

    expected: dict[UUID, Ending] = {}
    for customer in {who.of(id) for id in lapses}:
        members = who.members(customer)
        parts = [history(id) for id in sorted(members)]
        joined = join(customer, parts, _holding(lapses, members, who), who.merged_at.get(customer))
        whole = joined if len(parts) > 1 else parts[0]
        folded = fold_history(whole, winback_settings().terms, end)
        expected |= {case.id: _ending(case) for case in folded.cases}
    return expected


@dataclass
class Announced:
    """What phase-transitions says of one id: its lapses, and what has been withdrawn by what."""

    moves: dict[tuple[int, int], Transition] = field(default_factory=dict)
    withdrawn: dict[int, Correction] = field(default_factory=dict)
    begun: set[int] = field(default_factory=set)
    """The versions with which the id has (again) got a history."""

    def take(self, said: Transition | Correction) -> None:
        added = said.added if isinstance(said, Correction) else (said,)
        if isinstance(said, Correction):
            self.withdrawn |= dict.fromkeys(said.withdrawn, said)
        self.moves |= {(t.version, t.position): t for t in added}
        if any(t.from_ is None for t in added):
            self.begun.add(said.version)

    def lapses(self) -> Iterator[Transition]:
        for t in self.moves.values():
            if t.to in ("inactive", "former") and t.profile.orders > 0:
                yield t

    def holds(self, lapse: Transition, *, was_merged: bool) -> bool:
        """Withdrawn because the id became another one, it counts until the id has a history."""
        by = self.withdrawn.get(lapse.version)
        if by is None:
            return True
        is_merged = by.current is None and not any(version > by.version for version in self.begun)
        return was_merged and is_merged


async def _lapses(bootstrap: str) -> dict[str, Announced]:
    found: dict[str, Announced] = defaultdict(Announced)
    for event in await received(bootstrap, PHASE_TRANSITIONS):
        said = transitions.decode(event)
        if said:
            found[event.subject].take(said)
    return found


def _holding(
    announced: Mapping[str, Announced], ids: Collection[str], who: Persons
) -> tuple[Lapse, ...]:
    """Lapses that hold for one of the ids, unless they were never more than history for any."""
    phases: dict[tuple[datetime, str], set[str]] = defaultdict(set)
    holding = set[tuple[datetime, str]]()
    acted_on = set[tuple[datetime, str]]()
    for id in ids & announced.keys():
        for lapse in announced[id].lapses():
            key = lapse.occurred_at, lapse.rule
            phases[key].add(lapse.to)
            if announced[id].holds(lapse, was_merged=id in who.ever_merged):
                holding.add(key)
            if not lapse.historical:
                acted_on.add(key)
    return tuple(Lapse(*key, min(phases[key])) for key in sorted(holding & acted_on))


async def _said(bootstrap: str) -> dict[str, set[object]]:
    """What the events of each customer say to win-back, each once."""
    said: dict[str, set[object]] = defaultdict(set)
    for event in await received(bootstrap, CUSTOMER_EVENTS):
        said[event.subject].add(read(CUSTOMER_EVENTS, event))
    return said


def _ending(case: Case) -> Ending:
    return (
        case.customer,
        case.state,
        case.lapse.occurred_at,
        case.ended_at,
        case.order_id,
        case.with_code,
        case.used_for,
    )


def _verify_announcements(
    events: list[Envelope], stored: Sequence[asyncpg.Record], who: Persons
) -> None:
    """Each case has records 1, 2, 3, … and ends as stored; nobody ever has two open cases.

    Whose a case is after a merge and an unmerge is not announced, but it is in the tables.
    """
    told: dict[UUID, list[str]] = defaultdict(list)
    last: dict[UUID, dict[str, Any]] = {}
    running: dict[str, set[UUID]] = defaultdict(set)
    for event in events:
        data = msgspec.json.decode(event.data)
        case = UUID(data["case_id"])
        told[case].append(event.id)
        if event.type in ("case.opened", "case.reopened"):
            running[event.subject].add(case)
        if event.type in _LAST:
            last[case] = {**data, "type": event.type}
            running[event.subject] -= {case} if event.type in _ENDINGS else set()
        if event.subject not in who.circles:
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
