"""What must come of win-back: the cases of the plain fold of all events, each announced."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from services.reactivation.domain import codes
from services.reactivation.domain.cases import Case, History, Lapse, Offer, Order, State, fold_cases
from shared.events import transitions
from shared.events.envelope import Envelope
from shared.events.transitions import Correction, Transition
from shared.ids import hash64, stable_id
from shared.kafka.topics import CUSTOMER_EVENTS, PHASE_TRANSITIONS, WINBACK_EVENTS
from tests.fault.announcements import difference, received, verify_announced
from tests.fault.market import winback_settings
from tests.support.pipeline import rows

Told = tuple[object, ...]

_CASES: Final = """
SELECT c.*, o.code, o.percent, o.made_at, o.expires_at, o.attributed_until,
       o.confirmed_for, o.confirmed_at
FROM reactivation.winback_case AS c JOIN reactivation.offer AS o ON o.case_id = c.id
"""
_CLOSING: Final = {
    State.WON_BACK: "case.closed",
    State.EXPIRED: "case.closed",
    State.CANCELLED: "case.cancelled",
}
_LAST: Final = {"offer.made", *_CLOSING.values()}


async def verify_winback(
    bootstrap: str, database: str, confirmed: dict[str, str], end: datetime
) -> None:
    """No case is lost, doubled or left behind, in the tables and on the topic."""
    stored = await rows(database, _CASES)
    expected = await _expected(bootstrap, stored, end)
    found = {row["id"]: _ending(row) for row in stored if row["state"] != State.CANCELLED}
    assert found == expected, f"cases differ: {difference(found, expected)}"
    assert Counter(ending[1] for ending in expected.values()).keys() >= {
        State.WON_BACK,
        State.EXPIRED,
    }
    used = {row["code"]: row["confirmed_for"] for row in stored if row["confirmed_for"]}
    assert used == confirmed, f"redemptions differ: {difference(used, confirmed)}"
    assert await rows(database, "SELECT 1 FROM reactivation.outbox") == []
    assert await rows(database, "SELECT reason, detail FROM reactivation.dead_letter") == []
    _verify_announcements(await verify_announced(bootstrap, database, WINBACK_EVENTS), stored)


async def _expected(
    bootstrap: str, stored: Sequence[asyncpg.Record], end: datetime
) -> dict[UUID, Told]:
    """Fold everything on the topics, with the codes whose use was confirmed."""
    lapses = await _lapses(bootstrap)
    orders = await _orders(bootstrap)
    redeemed: dict[str, dict[UUID, Case]] = defaultdict(dict)
    for row in stored:
        if row["confirmed_for"]:
            redeemed[row["customer"]][row["id"]] = _redeemed(row)
    histories = [
        History(c, tuple(found), tuple(orders[c]), redeemed[c]) for c, found in lapses.items()
    ]
    folded = [
        case for history in histories for case in fold_cases(history, winback_settings().terms, end)
    ]
    return {
        case.id: (
            case.customer,
            case.state,
            case.lapse.occurred_at,
            case.ended_at,
            case.order_id,
            case.with_code,
            case.used_for,
        )
        for case in folded
    }


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


async def _orders(bootstrap: str) -> dict[str, list[Order]]:
    found: dict[str, list[Order]] = defaultdict(list)
    for event in await received(bootstrap, CUSTOMER_EVENTS):
        if event.type == "order.completed":
            data = msgspec.json.decode(event.data)
            coupon = codes.canonical(data["coupon"]) if data.get("coupon") else None
            key = hash64(f"{event.source}\x1f{event.id}")
            found[event.subject].append(Order(event.time, data["order_id"], coupon, key))
    return found


def _redeemed(row: asyncpg.Record) -> Case:
    offer = Offer(
        row["code"],
        row["percent"],
        row["made_at"],
        row["expires_at"],
        row["attributed_until"],
        confirmed_for=row["confirmed_for"],
        confirmed_at=row["confirmed_at"],
    )
    lapse = Lapse(row["opened_at"], row["rule"], row["phase"])
    return Case(row["id"], row["customer"], lapse, offer, row["cooldown_days"])


def _ending(row: asyncpg.Record) -> Told:
    return (
        row["customer"],
        row["state"],
        row["opened_at"],
        row["ended_at"],
        row["order_id"],
        row["with_code"],
        row["used_for"],
    )


def _verify_announcements(events: list[Envelope], stored: Sequence[asyncpg.Record]) -> None:
    """Each case has records 1, 2, 3, … and ends as stored; nobody ever has two open cases."""
    told: dict[UUID, list[str]] = defaultdict(list)
    last: dict[UUID, dict[str, Any]] = {}
    running: dict[str, set[UUID]] = defaultdict(set)
    for event in events:
        data = msgspec.json.decode(event.data)
        case = UUID(data["case_id"])
        told[case].append(event.id)
        if event.type == "case.opened":
            running[event.subject].add(case)
        elif event.type in _LAST:
            last[case] = {**data, "type": event.type}
            running[event.subject] -= {case} if event.type != "offer.made" else set()
        assert len(running[event.subject]) <= 1, f"{event.subject} has two open cases"
    versions = {row["id"]: row["version"] for row in stored}
    assert told == {
        case: [
            str(stable_id("reactivation", str(case), version)) for version in range(1, count + 1)
        ]
        for case, count in versions.items()
    }
    for row in stored:
        assert last[row["id"]]["type"] == _CLOSING.get(row["state"], "offer.made"), row
        assert last[row["id"]].get("order_id") == row["order_id"] or row["state"] == State.CANCELLED
