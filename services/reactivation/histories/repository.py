"""SQL of what was read of customers: their lapses, their orders, whether they may get offers."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

from services.reactivation.domain.cases import Lapse
from services.reactivation.domain.history import OrderEvent
from services.reactivation.domain.permissions import Permission, PermissionKind
from services.reactivation.events import LapseUpdate
from shared.database.columns import columns_of, execute_rows
from shared.database.connection import Tx
from shared.ids import event_hash
from shared.orders.facts import OrderAction, OrderFact, decode_details

_ADD_ORDER_EVENTS: Final = """
INSERT INTO order_event (customer, event_key, action, time, source, event_id, details, codes)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::jsonb[], $8::text[])
ON CONFLICT DO NOTHING
"""
_ADD_PERMISSIONS: Final = """
INSERT INTO permission (customer, event_key, time, rank, source, event_id, kind)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::smallint[], $5::text[],
                     $6::text[], $7::text[])
ON CONFLICT DO NOTHING
"""
_ADD_LAPSES: Final = """
INSERT INTO lapse (customer, version, position, occurred_at, rule, phase, historical, pending)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::int[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::boolean[], $8::boolean[])
ON CONFLICT DO NOTHING
"""
_WITHDRAW_LAPSES: Final = """
UPDATE lapse AS l SET withdrawn = w.by, merged = w.is_merged
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[])
    AS w(customer, first, last, by, is_merged)
WHERE l.customer = w.customer AND l.version BETWEEN w.first AND w.last AND l.withdrawn IS NULL
"""
_COMPLETE: Final = """
UPDATE lapse AS l SET pending = false
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS p(customer, first, last)
WHERE l.customer = p.customer AND l.version BETWEEN p.first AND p.last AND l.pending
"""
_BEGIN_ANEW: Final = """
UPDATE lapse AS l SET merged = false
FROM unnest($1::text[], $2::bigint[]) AS b(customer, version)
WHERE l.customer = b.customer AND l.merged AND l.withdrawn < b.version
"""
# A transition that is announced again long after it happened is marked as historical; it counts
# all the same, for it was acted on before.
_LAPSES: Final = """
SELECT w.customer, l.occurred_at, l.rule, min(l.phase) AS phase
FROM unnest($1::text[], $2::text[], $3::boolean[]) AS w(customer, id, was_merged)
JOIN lapse AS l ON l.customer = w.id AND NOT l.pending
GROUP BY w.customer, l.occurred_at, l.rule
HAVING bool_or(l.withdrawn IS NULL OR l.merged AND w.was_merged) AND NOT bool_and(l.historical)
"""
_ORDER_EVENTS: Final = """
SELECT customer, action, time, source, event_id, details, codes FROM order_event
WHERE customer = ANY($1::text[])
"""
_PERMISSIONS: Final = """
SELECT customer, time, rank, source, event_id, kind FROM permission
WHERE customer = ANY($1::text[])
"""


async def add_order_events(tx: Tx, events: Sequence[OrderEvent]) -> None:
    """Keep events about orders; one that is known stays as it was."""
    rows = [
        (
            event.fact.origin,
            event_hash(event.fact.source, event.fact.id),
            event.fact.action,
            event.fact.time,
            event.fact.source,
            event.fact.id,
            msgspec.json.encode(event.fact.details).decode(),
            " ".join(event.codes) or None,
        )
        for event in events
    ]
    await execute_rows(tx, _ADD_ORDER_EVENTS, rows)


async def add_permissions(tx: Tx, permissions: Sequence[tuple[str, Permission]]) -> None:
    """Keep permissions, each with its customer; one that is known stays as it was."""
    rows = [
        (
            customer,
            event_hash(each.source, each.id),
            each.time,
            each.rank,
            each.source,
            each.id,
            each.kind,
        )
        for customer, each in permissions
    ]
    await execute_rows(tx, _ADD_PERMISSIONS, rows)


async def record_lapses(tx: Tx, updates: Sequence[LapseUpdate]) -> None:
    """Keep lapses and void those withdrawn; recording the same again changes nothing."""
    lapses = [(*lapse, update.is_part) for update in updates for lapse in update.lapses]
    withdrawals = [withdrawal for update in updates for withdrawal in update.withdrawals]
    beginnings = [update.beginning for update in updates if update.beginning]
    last_parts = [update.last_part for update in updates if update.last_part]
    await execute_rows(tx, _ADD_LAPSES, lapses)
    await execute_rows(tx, _COMPLETE, last_parts)
    await execute_rows(tx, _WITHDRAW_LAPSES, withdrawals)
    await execute_rows(tx, _BEGIN_ANEW, beginnings)


class LapsesWanted(NamedTuple):
    """The customer whose lapses are wanted, one of its ids, and whether that was ever merged."""

    customer: str
    id: str
    was_merged: bool


async def load_lapses(tx: Tx, wanted: Sequence[LapsesWanted]) -> dict[str, list[Lapse]]:
    """The lapses that hold, by customer.

    Those that lifecycle withdrew because an id became another still count, until the id has a
    history of its own again.
    """
    lapses: dict[str, list[Lapse]] = {}
    for row in await tx.fetch(_LAPSES, *columns_of(wanted, 3)):
        lapse = Lapse(row["occurred_at"], row["rule"], row["phase"])
        lapses.setdefault(row["customer"], []).append(lapse)
    return lapses


async def load_orders(tx: Tx, ids: Collection[str]) -> dict[str, list[OrderEvent]]:
    """The events about orders, by the id that they were sent for."""
    orders: dict[str, list[OrderEvent]] = {}
    for row in await tx.fetch(_ORDER_EVENTS, list(ids)):
        fact = OrderFact(
            OrderAction(row["action"]),
            row["time"],
            row["source"],
            row["event_id"],
            decode_details(row["details"]),
            row["customer"],
        )
        codes = tuple((row["codes"] or "").split())
        orders.setdefault(row["customer"], []).append(OrderEvent(fact, codes))
    return orders


async def load_permissions(tx: Tx, ids: Collection[str]) -> dict[str, list[Permission]]:
    """What was said of offers, by the id that it was said of."""
    permissions: dict[str, list[Permission]] = {}
    for customer, time, rank, source, id, kind in await tx.fetch(_PERMISSIONS, list(ids)):
        permission = Permission(time, rank, source, id, PermissionKind(kind))
        permissions.setdefault(customer, []).append(permission)
    return permissions
