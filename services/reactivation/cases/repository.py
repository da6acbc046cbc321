"""SQL of cases with their offers, and of all that the fold begins with."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from services.reactivation.domain.cases import Case, Confirmation, Lapse, Offer, State
from services.reactivation.domain.changes import CaseChange
from services.reactivation.domain.history import History, OrderEvent, join
from services.reactivation.domain.offers import Code
from services.reactivation.domain.permissions import Permission
from services.reactivation.histories.repository import (
    LapsesWanted,
    load_lapses,
    load_orders,
    load_permissions,
)
from services.reactivation.timers.repository import Timer, set_timers
from shared.database.columns import columns_of, execute_rows
from shared.database.connection import Tx

CASE_COLUMNS: Final = """
c.id, c.customer, c.origin, c.version, c.state, c.opened_at, c.rule, c.phase, c.cooldown_days,
c.ended_at, c.order_id, c.with_code, c.used_for, c.reason, o.code, o.percent, o.made_at,
o.expires_at, o.attributed_until, o.reserved_for, o.reserved_by, o.reserved_until,
r.confirmed_for, r.confirmed_at
"""
CASES_WITH_OFFERS: Final = """
winback_case AS c LEFT JOIN offer AS o ON o.case_id = c.id
CROSS JOIN LATERAL (
    SELECT array_agg(order_id ORDER BY confirmed_at, order_id) AS confirmed_for,
           array_agg(confirmed_at ORDER BY confirmed_at, order_id) AS confirmed_at
    FROM redemption WHERE redemption.code = o.code
) AS r
"""
_CASES: Final = f"""
SELECT {CASE_COLUMNS} FROM {CASES_WITH_OFFERS} WHERE c.origin = ANY($1::text[])
"""  # noqa: S608
_SAVE_CASES: Final = """
INSERT INTO winback_case (id, customer, origin, partition, version, state, opened_at, rule, phase,
                          cooldown_days, ended_at, order_id, with_code, used_for, reason)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[],
                     $7::timestamptz[], $8::text[], $9::text[], $10::int[], $11::timestamptz[],
                     $12::text[], $13::boolean[], $14::text[], $15::text[])
ON CONFLICT (id) DO UPDATE
SET customer = excluded.customer, partition = excluded.partition, version = excluded.version,
    state = excluded.state, ended_at = excluded.ended_at, order_id = excluded.order_id,
    with_code = excluded.with_code, used_for = excluded.used_for, reason = excluded.reason
"""
_ADD_OFFERS: Final = """
INSERT INTO offer (code, case_id, percent, made_at, expires_at, attributed_until)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::timestamptz[], $5::timestamptz[],
                     $6::timestamptz[])
"""
_GIVE_BACK: Final = """
UPDATE winback_case AS c SET customer = c.origin
FROM unnest($1::text[]) AS g(customer)
WHERE c.customer = g.customer AND NOT EXISTS (
    SELECT FROM unnest($2::text[], $3::text[]) AS m(customer, id)
    WHERE m.customer = g.customer AND m.id = c.origin
)
"""
_RESERVE: Final = """
UPDATE offer SET reserved_for = $2, reserved_by = $3, reserved_until = $4 WHERE code = $1
"""
_CONFIRM: Final = "INSERT INTO redemption (code, order_id, confirmed_at) VALUES ($1, $2, $3)"
_USE: Final = "UPDATE winback_case SET used_for = $2 WHERE id = $1"


class Group(NamedTuple):
    """The ids that are one customer, and the last merge between them.

    `merged` are all ids near them that were ever merged: some may have belonged to the customer.
    """

    members: Collection[str]
    merged_at: datetime | None
    merged: Collection[str]


async def give_back_cases(tx: Tx, groups: Mapping[str, Group]) -> None:
    """Give cases back to ids that no longer belong to these customers; their owners go on."""
    customers = [customer for customer, group in groups.items() if group.merged]
    if customers:
        members = [(customer, id) for customer in customers for id in groups[customer].members]
        await tx.execute(_GIVE_BACK, customers, *columns_of(members, 2))


async def load_histories(tx: Tx, groups: Mapping[str, Group]) -> list[History]:
    """Everything known of locked customers and of the ids that they consist of."""
    ids = {id for group in groups.values() for id in group.members}
    if not ids:
        return []
    lapses = await load_lapses(tx, _lapses_wanted(groups))
    apart = {
        id: Group({id}, None, group.merged) for group in groups.values() for id in group.members
    }
    is_any_merged = apart.keys() != groups.keys()
    own_lapses = await load_lapses(tx, _lapses_wanted(apart)) if is_any_merged else lapses
    facts = _Facts(
        own_lapses,
        await load_orders(tx, ids),
        await load_permissions(tx, ids),
        await _load_cases(tx, ids),
    )
    return [
        facts.history(customer)
        if len(group.members) == 1
        else join(
            customer,
            [facts.history(id) for id in sorted(group.members)],
            lapses.get(customer, ()),
            group.merged_at,
        )
        for customer, group in groups.items()
    ]


class _Facts(NamedTuple):
    """What is known, by the id that it is known of."""

    lapses: Mapping[str, Sequence[Lapse]]
    orders: Mapping[str, Sequence[OrderEvent]]
    permissions: Mapping[str, Sequence[Permission]]
    cases: Mapping[str, Mapping[UUID, Case]]

    def history(self, id: str) -> History:
        """All that is known of one id."""
        return History(
            id,
            tuple(self.lapses.get(id, ())),
            tuple(self.orders.get(id, ())),
            tuple(self.permissions.get(id, ())),
            self.cases.get(id, {}),
        )


def _lapses_wanted(groups: Mapping[str, Group]) -> list[LapsesWanted]:
    return [
        LapsesWanted(customer, id, id in group.merged)
        for customer, group in groups.items()
        for id in group.members
    ]


async def _load_cases(tx: Tx, ids: Collection[str]) -> dict[str, dict[UUID, Case]]:
    """The cases by the ids that they were opened for."""
    cases: dict[str, dict[UUID, Case]] = {}
    for row in await tx.fetch(_CASES, list(ids)):
        cases.setdefault(row["origin"], {})[row["id"]] = case_of(row)
    return cases


def case_of(row: asyncpg.Record) -> Case:
    """The case in a row of CASE_COLUMNS."""
    return Case(
        id=row["id"],
        customer=row["customer"],
        origin=row["origin"],
        lapse=Lapse(row["opened_at"], row["rule"], row["phase"]),
        offer=_offer_of(row) if row["code"] else None,
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
    confirmed = zip(row["confirmed_for"] or (), row["confirmed_at"] or (), strict=True)
    return Offer(
        code=row["code"],
        percent=row["percent"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        attributed_until=row["attributed_until"],
        reserved_for=row["reserved_for"],
        reserved_by=row["reserved_by"],
        reserved_until=row["reserved_until"],
        confirmations=tuple(starmap(Confirmation, confirmed)),
    )


async def save_changes(tx: Tx, changes: Sequence[tuple[int, CaseChange]]) -> None:
    """Write changed cases of locked customers, each with its partition, their offers and timers.

    Endings come first in `changes`, so that a customer never has two running cases.
    """
    await execute_rows(
        tx, _SAVE_CASES, [_case_row(change.case, partition) for partition, change in changes]
    )
    new = [
        (change.case.id, change.case.offer)
        for _, change in changes
        if change.case.offer and not (change.before and change.before.offer)
    ]
    await execute_rows(tx, _ADD_OFFERS, [_new_offer_row(id, offer) for id, offer in new])
    timers = [
        Timer(change.case.customer, partition, change.case.due)
        for partition, change in changes
        if change.case.is_running
    ]
    await set_timers(tx, timers)


async def save_code(tx: Tx, case: UUID, before: Code, after: Code) -> None:
    """Write what was done with the code of a locked customer's case."""
    offer = after.offer
    await tx.execute(
        _RESERVE, offer.code, offer.reserved_for, offer.reserved_by, offer.reserved_until
    )
    for confirmation in offer.confirmations[len(before.offer.confirmations) :]:
        await tx.execute(_CONFIRM, offer.code, *confirmation)
        await tx.execute(_USE, case, confirmation.order_id)


def _case_row(case: Case, partition: int) -> tuple[object, ...]:
    return (
        case.id,
        case.customer,
        case.origin,
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


def _new_offer_row(case: UUID, offer: Offer) -> tuple[object, ...]:
    return (
        offer.code,
        case,
        offer.percent,
        offer.made_at,
        offer.expires_at,
        offer.attributed_until,
    )
