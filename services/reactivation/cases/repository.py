"""SQL of what the fold reads and writes: lapses, purchases, cases with their offers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

import asyncpg

from services.reactivation.domain.cases import Case, History, Lapse, Offer, Order, State
from services.reactivation.domain.changes import CaseChange
from services.reactivation.events import AnnouncedLapse, LapseWithdrawal, Purchase
from services.reactivation.timers.repository import Timer, clear_timers, set_timers
from shared.database.columns import execute_rows
from shared.database.connection import Tx

_ADD_PURCHASES: Final = """
INSERT INTO purchase (customer, event_key, time, order_id, coupon)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING
"""
_ADD_LAPSES: Final = """
INSERT INTO lapse (customer, version, position, occurred_at, rule, phase, historical)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::boolean[])
ON CONFLICT DO NOTHING
"""
_WITHDRAW_LAPSES: Final = """
UPDATE lapse AS l SET withdrawn = w.by
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w(customer, version, by)
WHERE l.customer = w.customer AND l.version = w.version AND l.withdrawn IS NULL
"""
# A transition that is announced again long after it happened is marked as historical; it counts
# all the same, for it was acted on before.
_LAPSES: Final = """
SELECT customer, occurred_at, rule, min(phase) AS phase FROM lapse
WHERE customer = ANY($1::text[])
GROUP BY customer, occurred_at, rule
HAVING bool_or(withdrawn IS NULL) AND NOT bool_and(historical)
"""
_PURCHASES: Final = """
SELECT p.customer, p.time, p.order_id, p.coupon, p.event_key
FROM unnest($1::text[], $2::timestamptz[]) AS l(customer, first)
JOIN purchase AS p ON p.customer = l.customer AND p.time >= l.first
"""
CASE_COLUMNS: Final = """
c.id, c.customer, c.version, c.state, c.opened_at, c.rule, c.phase, c.cooldown_days, c.ended_at,
c.order_id, c.with_code, c.used_for, c.reason, o.code, o.percent, o.made_at, o.expires_at,
o.attributed_until, o.reserved_for, o.reserved_until, o.confirmed_for, o.confirmed_at
"""
_CASES: Final = f"""
SELECT {CASE_COLUMNS} FROM winback_case AS c JOIN offer AS o ON o.case_id = c.id
WHERE c.customer = ANY($1::text[])
"""  # noqa: S608
_SAVE_CASES: Final = """
INSERT INTO winback_case (id, customer, partition, version, state, opened_at, rule, phase,
                          cooldown_days, ended_at, order_id, with_code, used_for, reason)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[],
                     $6::timestamptz[], $7::text[], $8::text[], $9::int[], $10::timestamptz[],
                     $11::text[], $12::boolean[], $13::text[], $14::text[])
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, state = excluded.state, ended_at = excluded.ended_at,
    order_id = excluded.order_id, with_code = excluded.with_code, used_for = excluded.used_for,
    reason = excluded.reason
"""
_ADD_OFFERS: Final = """
INSERT INTO offer (code, case_id, percent, made_at, expires_at, attributed_until)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[],
                     $6::timestamptz[])
"""
_SAVE_OFFERS: Final = """
UPDATE offer AS o SET reserved_for = s.reserved_for, reserved_until = s.reserved_until,
    confirmed_for = s.confirmed_for, confirmed_at = s.confirmed_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[])
    AS s(code, reserved_for, reserved_until, confirmed_for, confirmed_at)
WHERE o.code = s.code
"""


async def add_purchases(tx: Tx, purchases: Sequence[Purchase]) -> None:
    """Keep purchases; one that is known stays as it was."""
    await execute_rows(tx, _ADD_PURCHASES, purchases)


async def record_lapses(
    tx: Tx, lapses: Sequence[AnnouncedLapse], withdrawals: Sequence[LapseWithdrawal]
) -> None:
    """Keep lapses and void those withdrawn; recording the same again changes nothing."""
    await execute_rows(tx, _ADD_LAPSES, lapses)
    await execute_rows(tx, _WITHDRAW_LAPSES, withdrawals)


async def load_histories(tx: Tx, customers: Collection[str]) -> list[History]:
    """Everything known of locked customers."""
    if not customers:
        return []
    lapses = await _load_lapses(tx, customers)
    orders = await _load_orders(tx, lapses)
    cases = await _load_cases(tx, customers)
    return [
        History(
            customer,
            tuple(lapses.get(customer, ())),
            tuple(orders.get(customer, ())),
            cases.get(customer, {}),
        )
        for customer in customers
    ]


async def _load_lapses(tx: Tx, customers: Collection[str]) -> dict[str, list[Lapse]]:
    lapses: dict[str, list[Lapse]] = {}
    for row in await tx.fetch(_LAPSES, list(customers)):
        lapse = Lapse(row["occurred_at"], row["rule"], row["phase"])
        lapses.setdefault(row["customer"], []).append(lapse)
    return lapses


async def _load_orders(tx: Tx, lapses: Mapping[str, Sequence[Lapse]]) -> dict[str, list[Order]]:
    """The customers' orders since their first lapse."""
    first = {
        customer: min(lapse.occurred_at for lapse in lapsed) for customer, lapsed in lapses.items()
    }
    orders: dict[str, list[Order]] = {}
    for row in await tx.fetch(_PURCHASES, list(first), list(first.values())):
        order = Order(row["time"], row["order_id"], row["coupon"], row["event_key"])
        orders.setdefault(row["customer"], []).append(order)
    return orders


async def _load_cases(tx: Tx, customers: Collection[str]) -> dict[str, dict[UUID, Case]]:
    cases: dict[str, dict[UUID, Case]] = {}
    for row in await tx.fetch(_CASES, list(customers)):
        cases.setdefault(row["customer"], {})[row["id"]] = case_of(row)
    return cases


def case_of(row: asyncpg.Record) -> Case:
    """The case in a row of CASE_COLUMNS."""
    return Case(
        id=row["id"],
        customer=row["customer"],
        lapse=Lapse(row["opened_at"], row["rule"], row["phase"]),
        offer=_offer_of(row),
        cooldown_days=row["cooldown_days"],
        state=State(row["state"]),
        ended_at=row["ended_at"],
        order_id=row["order_id"],
        with_code=row["with_code"],
        used_for=row["used_for"],
        reason=row["reason"],
        version=row["version"],
    )


def _offer_of(row: asyncpg.Record) -> Offer:
    return Offer(
        code=row["code"],
        percent=row["percent"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        attributed_until=row["attributed_until"],
        reserved_for=row["reserved_for"],
        reserved_until=row["reserved_until"],
        confirmed_for=row["confirmed_for"],
        confirmed_at=row["confirmed_at"],
    )


async def save_changes(tx: Tx, changes: Sequence[tuple[int, CaseChange]]) -> None:
    """Write changed cases of locked customers, each with its partition, their offers and timers.

    Endings come first in `changes`, so that a customer never has two running cases.
    """
    cases = [_case_row(change.case, partition) for partition, change in changes]
    await execute_rows(tx, _SAVE_CASES, cases)
    new = [change.case for _, change in changes if change.before is None]
    await execute_rows(tx, _ADD_OFFERS, [_new_offer_row(case) for case in new])
    await save_offers(tx, [change.case.offer for _, change in changes if _offer_changed(change)])
    await _save_timers(tx, changes)


async def save_offers(tx: Tx, offers: Sequence[Offer]) -> None:
    """Write what was done with the codes of locked customers."""
    rows = [
        (o.code, o.reserved_for, o.reserved_until, o.confirmed_for, o.confirmed_at) for o in offers
    ]
    await execute_rows(tx, _SAVE_OFFERS, rows)


async def _save_timers(tx: Tx, changes: Sequence[tuple[int, CaseChange]]) -> None:
    """Set the timers of running cases, and clear those of cases that run no longer."""
    timers: dict[str, Timer] = {}
    ended = set[str]()
    for partition, change in changes:
        case = change.case
        if case.is_running:
            timers[case.customer] = Timer(case.customer, partition, case.due)
        if change.before is not None and change.before.is_running:
            ended.add(case.customer)
    await clear_timers(tx, ended - timers.keys())
    await set_timers(tx, list(timers.values()))


def _offer_changed(change: CaseChange) -> bool:
    return change.before is not None and change.before.offer != change.case.offer


def _case_row(case: Case, partition: int) -> tuple[object, ...]:
    return (
        case.id,
        case.customer,
        partition,
        case.version,
        case.state,
        case.lapse.occurred_at,
        case.lapse.rule,
        case.lapse.phase,
        case.cooldown_days,
        case.ended_at,
        case.order_id,
        case.with_code,
        case.used_for,
        case.reason,
    )


def _new_offer_row(case: Case) -> tuple[object, ...]:
    offer = case.offer
    return (
        offer.code,
        case.id,
        offer.percent,
        offer.made_at,
        offer.expires_at,
        offer.attributed_until,
    )
