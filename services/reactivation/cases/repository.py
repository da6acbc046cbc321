"""Every SQL statement of the service that the worker and the redemption of codes need: lock, load, save."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.reactivation.domain.cases import Case, History, Lapse, Offer, Order, State
from services.reactivation.domain.changes import Change
from shared.database.connection import Tx


class LapseRow(NamedTuple):
    """A lapse as announced: which record it came with, and whether it is only history."""

    customer: str
    version: int
    position: int
    occurred_at: datetime
    rule: str
    phase: str
    historical: bool


class Withdrawal(NamedTuple):
    """The transitions of `version` are void since the correction `by`."""

    customer: str
    version: int
    by: int


class PurchaseRow(NamedTuple):
    """An order as it is kept."""

    customer: str
    event_key: int
    time: datetime
    order_id: str
    coupon: str | None


_ADD_PURCHASES: Final = """
INSERT INTO purchase (customer, event_key, time, order_id, coupon)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[])
ON CONFLICT DO NOTHING
"""
_ADD_CUSTOMERS: Final = """
INSERT INTO customer (customer, partition) SELECT * FROM unnest($1::text[], $2::int[]) ON CONFLICT DO NOTHING
"""
_LOCK: Final = "SELECT customer, parked FROM customer WHERE customer = ANY($1::text[]) ORDER BY customer FOR UPDATE"
_PARK: Final = """
UPDATE customer AS c SET parked = p.reason FROM unnest($1::text[], $2::text[]) AS p(customer, reason)
WHERE c.customer = p.customer
"""
_ADD_LAPSES: Final = """
INSERT INTO lapse (customer, version, position, occurred_at, rule, phase, historical)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::timestamptz[], $5::text[], $6::text[], $7::boolean[])
ON CONFLICT DO NOTHING
"""
_WITHDRAW: Final = """
UPDATE lapse AS l SET withdrawn = w.by
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS w(customer, version, by)
WHERE l.customer = w.customer AND l.version = w.version AND l.withdrawn IS NULL
"""
# A transition that is announced again long after it happened is marked as historical, but was acted on before.
_LAPSES: Final = """
SELECT customer, occurred_at, rule, min(phase) AS phase FROM lapse WHERE customer = ANY($1::text[])
GROUP BY customer, occurred_at, rule
HAVING bool_or(withdrawn IS NULL) AND NOT bool_and(historical)
"""
_PURCHASES: Final = """
SELECT p.customer, p.time, p.order_id, p.coupon, p.event_key
FROM unnest($1::text[], $2::timestamptz[]) AS l(customer, first)
JOIN purchase AS p ON p.customer = l.customer AND p.time >= l.first
"""
CASE_COLUMNS: Final = """
c.id, c.customer, c.version, c.state, c.opened_at, c.rule, c.phase, c.cooldown_days, c.ended_at, c.order_id,
c.with_code, c.used_for, c.reason, o.code, o.percent, o.made_at, o.expires_at, o.attributed_until, o.reserved_for,
o.reserved_until, o.confirmed_for, o.confirmed_at
"""
_CASES: Final = f"""
SELECT {CASE_COLUMNS} FROM winback_case AS c JOIN offer AS o ON o.case_id = c.id WHERE c.customer = ANY($1::text[])
"""  # noqa: S608
_SAVE_CASES: Final = """
INSERT INTO winback_case (id, customer, partition, version, state, opened_at, rule, phase, cooldown_days, ended_at,
                          order_id, with_code, used_for, reason)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::timestamptz[], $7::text[],
                     $8::text[], $9::int[], $10::timestamptz[], $11::text[], $12::boolean[], $13::text[], $14::text[])
ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, ended_at = excluded.ended_at,
    order_id = excluded.order_id, with_code = excluded.with_code, used_for = excluded.used_for,
    reason = excluded.reason
"""
_ADD_OFFERS: Final = """
INSERT INTO offer (code, case_id, percent, made_at, expires_at, attributed_until)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
"""
_SAVE_OFFERS: Final = """
UPDATE offer AS o SET reserved_for = s.reserved_for, reserved_until = s.reserved_until,
    confirmed_for = s.confirmed_for, confirmed_at = s.confirmed_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[])
    AS s(code, reserved_for, reserved_until, confirmed_for, confirmed_at)
WHERE o.code = s.code
"""
_SET_TIMERS: Final = """
INSERT INTO timer (customer, partition, due_at) SELECT * FROM unnest($1::text[], $2::int[], $3::timestamptz[])
ON CONFLICT (customer) DO UPDATE SET due_at = excluded.due_at
"""
_CLEAR_TIMERS: Final = "DELETE FROM timer WHERE customer = ANY($1::text[])"
_DUE: Final = """
SELECT t.customer, t.partition
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS p(partition, after, until)
CROSS JOIN LATERAL (
    SELECT timer.customer, timer.partition FROM timer JOIN customer USING (customer)
    WHERE timer.partition = p.partition AND due_at > p.after AND due_at <= p.until AND parked IS NULL
    ORDER BY due_at LIMIT $4
) AS t
"""


async def _execute(tx: Tx, statement: str, rows: Sequence[Sequence[object]]) -> None:
    if rows:
        await tx.execute(statement, *map(list, zip(*rows, strict=True)))


async def due(
    reader: Tx, ticks: Sequence[tuple[int, datetime, datetime]], limit: int
) -> list[tuple[str, int]]:
    """The customers, with their partition, who have a deadline after an instant and until another one, by partition.

    At most `limit` of each partition; those parked are left out.
    """
    if not ticks:
        return []
    rows = await reader.fetch(_DUE, *map(list, zip(*ticks, strict=True)), limit)
    return [(row["customer"], row["partition"]) for row in rows]


async def add_purchases(tx: Tx, rows: Sequence[PurchaseRow]) -> None:
    """Keep orders; one that is known stays as it was."""
    await _execute(tx, _ADD_PURCHASES, rows)


async def lock(
    tx: Tx, customers: Iterable[str], *, new: Mapping[str, int] | None = None
) -> dict[str, str | None]:
    """Lock the customers who have ever lapsed, and the new ones, in key order; returns why they are parked, or None."""
    wanted = {*customers, *(new or ())}
    if new:
        await _execute(tx, _ADD_CUSTOMERS, sorted(new.items()))
    rows = await tx.fetch(_LOCK, sorted(wanted)) if wanted else []
    return {row["customer"]: row["parked"] for row in rows}


async def park(tx: Tx, reasons: Mapping[str, str | None]) -> None:
    """Park locked customers for a reason, or, for None, release them."""
    await _execute(tx, _PARK, list(reasons.items()))


async def record_lapses(
    tx: Tx, lapses: Sequence[LapseRow], withdrawals: Sequence[Withdrawal]
) -> None:
    """Keep lapses and void those withdrawn; what was recorded before changes nothing."""
    await _execute(tx, _ADD_LAPSES, lapses)
    await _execute(tx, _WITHDRAW, withdrawals)


async def load(tx: Tx, customers: Collection[str]) -> list[History]:
    """Everything known of locked customers."""
    if not customers:
        return []
    names = list(customers)
    lapses: dict[str, list[Lapse]] = {name: [] for name in names}
    orders: dict[str, list[Order]] = {name: [] for name in names}
    cases: dict[str, dict[UUID, Case]] = {name: {} for name in names}
    for row in await tx.fetch(_LAPSES, names):
        lapses[row["customer"]].append(Lapse(row["occurred_at"], row["rule"], row["phase"]))
    first = {
        name: min(lapse.occurred_at for lapse in found) for name, found in lapses.items() if found
    }
    for row in await tx.fetch(_PURCHASES, list(first), list(first.values())):
        orders[row["customer"]].append(
            Order(row["time"], row["order_id"], row["coupon"], row["event_key"])
        )
    for row in await tx.fetch(_CASES, names):
        cases[row["customer"]][row["id"]] = case_of(row)
    return [History(name, tuple(lapses[name]), tuple(orders[name]), cases[name]) for name in names]


def case_of(row: asyncpg.Record) -> Case:
    """The case in a row of CASE_COLUMNS."""
    return Case(
        id=row["id"],
        customer=row["customer"],
        lapse=Lapse(row["opened_at"], row["rule"], row["phase"]),
        offer=Offer(
            row["code"], row["percent"], row["made_at"], row["expires_at"], row["attributed_until"],
            row["reserved_for"], row["reserved_until"], row["confirmed_for"], row["confirmed_at"],
        ),
        cooldown_days=row["cooldown_days"],
        state=State(row["state"]),
        ended_at=row["ended_at"],
        order_id=row["order_id"],
        with_code=row["with_code"],
        used_for=row["used_for"],
        reason=row["reason"],
        version=row["version"],
    )  # fmt: skip


async def save(tx: Tx, changes: Sequence[tuple[int, Change]]) -> None:
    """Write changed cases of locked customers, each with its partition, and what follows for offers and timers.

    Endings come first in `changes`: a customer has one running case at every moment of the statement.
    """
    cases = [(partition, change.case) for partition, change in changes]
    await _execute(tx, _SAVE_CASES, [_case_row(case, partition) for partition, case in cases])
    fresh = [change.case for _, change in changes if change.before is None]
    await _execute(
        tx, _ADD_OFFERS,
        [(o.code, c.id, o.percent, o.made_at, o.expires_at, o.attributed_until) for c in fresh for o in (c.offer,)],
    )  # fmt: skip
    await save_offers(tx, [change.case.offer for _, change in changes if _offer_changed(change)])
    await _save_timers(tx, changes)


async def save_offers(tx: Tx, offers: Sequence[Offer]) -> None:
    """Write what was done with the codes of locked customers."""
    await _execute(
        tx, _SAVE_OFFERS,
        [(o.code, o.reserved_for, o.reserved_until, o.confirmed_for, o.confirmed_at) for o in offers],
    )  # fmt: skip


async def _save_timers(tx: Tx, changes: Sequence[tuple[int, Change]]) -> None:
    armed = {
        c.case.customer: (c.case.customer, p, c.case.due) for p, c in changes if c.case.is_running
    }
    disarmed = {
        c.case.customer for _, c in changes if c.before is not None and c.before.is_running
    } - set(armed)
    if disarmed:
        await tx.execute(_CLEAR_TIMERS, list(disarmed))
    await _execute(tx, _SET_TIMERS, list(armed.values()))


def _offer_changed(change: Change) -> bool:
    return change.before is not None and change.before.offer != change.case.offer


def _case_row(case: Case, partition: int) -> tuple[object, ...]:
    return (
        case.id, case.customer, partition, case.version, case.state, case.lapse.occurred_at, case.lapse.rule,
        case.lapse.phase, case.cooldown_days, case.ended_at, case.order_id, case.with_code, case.used_for, case.reason,
    )  # fmt: skip
