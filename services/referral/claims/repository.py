"""Rows of members, codes, order events and claims, as values of the domain: one statement per batch and table."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from services.referral.domain.claims import Kind, OrderEvent, Reason, State, Terms, Touch, Verdict
from shared.database.connection import Pool, Tx

_terms: Final = msgspec.json.Decoder(Terms)


@dataclass(frozen=True, slots=True)
class Member:
    """A customer under lock."""

    has_claims: bool
    parked: str | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as stored; `new` until it has been judged for the first time."""

    referee: str
    touch: Touch
    verdict: Verdict
    answer: Reason | None
    recorded_at: datetime


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    columns: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns


# -- members and codes -----------------------------------------------------------------------------------------------

_MEET: Final = "INSERT INTO member (customer) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_LOCK: Final = """
SELECT customer, has_claims, parked FROM member WHERE customer = ANY($1::text[]) ORDER BY customer FOR UPDATE
"""
_PARK: Final = """
UPDATE member AS m SET parked = p.reason FROM unnest($1::text[], $2::text[]) AS p(customer, reason)
WHERE m.customer = p.customer
"""
_RELEASE: Final = (
    "UPDATE member SET parked = NULL WHERE customer = ANY($1::text[]) AND parked IS NOT NULL"
)
_DIRECTORY: Final = 0x52454645
_CODES_OF: Final = "SELECT customer, code FROM code WHERE customer = ANY($1::text[])"
_OWNER_OF: Final = "SELECT customer FROM code WHERE code = $1"
_ADD_CODES: Final = """
INSERT INTO code (customer, code, issued_at) SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
ON CONFLICT (code) DO NOTHING RETURNING customer, code
"""
_WAITING: Final = "SELECT DISTINCT referee, code FROM claim WHERE code = ANY($1::text[]) AND recommender IS NULL ORDER BY referee"


async def lock(tx: Tx, customers: Collection[str]) -> dict[str, Member]:
    """Lock customers in key order; those not known yet are made."""
    ordered = sorted(customers)
    await tx.execute(_MEET, ordered)
    rows = await tx.fetch(_LOCK, ordered)
    return {row["customer"]: Member(row["has_claims"], row["parked"]) for row in rows}


async def park(tx: Tx, reasons: Mapping[str, str]) -> None:
    """Judge these customers no more, until somebody has seen why it failed."""
    await tx.execute(_PARK, list(reasons), list(reasons.values()))


async def release(tx: Tx, customers: Collection[str]) -> None:
    """Judge parked customers again."""
    await tx.execute(_RELEASE, list(customers))


async def lock_directory(tx: Tx, *, to_issue: bool) -> None:
    """Either codes are looked up, or new ones issued: so that no claim misses a code that is being issued.

    To be taken after the customers' locks.
    """
    function = "pg_advisory_xact_lock" if to_issue else "pg_advisory_xact_lock_shared"
    await tx.execute(f"SELECT {function}($1)", _DIRECTORY)


async def codes_of(tx: Tx, customers: Collection[str]) -> dict[str, str]:
    """The codes of those customers that have one."""
    return {row["customer"]: row["code"] for row in await tx.fetch(_CODES_OF, list(customers))}


async def owner_of(tx: Tx, code: str) -> str | None:
    """Whose code it is."""
    return await tx.fetchval(_OWNER_OF, code)  # type: ignore[no-any-return]


async def add_codes(
    tx: Tx, codes: Mapping[str, str], issued_at: Mapping[str, datetime]
) -> dict[str, str]:
    """Store codes by customer; returns those that were not another customer's already."""
    times = [issued_at[customer] for customer in codes]
    rows = await tx.fetch(_ADD_CODES, list(codes), list(codes.values()), times)
    return {row["customer"]: row["code"] for row in rows}


async def waiting_for(tx: Tx, codes: Collection[str]) -> list[tuple[str, str]]:
    """Referees (and the code) who named one of these codes before it was issued."""
    return [(row["referee"], row["code"]) for row in await tx.fetch(_WAITING, list(codes))]


# -- order events and claims -----------------------------------------------------------------------------------------

_ADD_ORDER_EVENTS: Final = """
INSERT INTO order_event (customer, source, id, kind, time, order_id, amount, currency, return_window_days, historical)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::bigint[],
                     $8::text[], $9::int[], $10::boolean[])
ON CONFLICT DO NOTHING
"""
_ORDER_EVENTS: Final = "SELECT * FROM order_event WHERE customer = ANY($1::text[])"
_ADD_CLAIMS: Final = """
INSERT INTO claim (id, referee, source, event, time, code, terms, expires_at, state, recorded_at)
SELECT id, referee, source, event, time, code, terms, expires_at, 'accepted', recorded_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::jsonb[],
            $8::timestamptz[], $9::timestamptz[])
    AS t(id, referee, source, event, time, code, terms, expires_at, recorded_at)
ON CONFLICT DO NOTHING RETURNING id
"""
_HAVE_CLAIMS: Final = (
    "UPDATE member SET has_claims = true WHERE customer = ANY($1::text[]) AND NOT has_claims"
)
_CLAIM: Final = """
SELECT c.*, coalesce(c.recommender, k.customer) AS whose FROM claim AS c LEFT JOIN code AS k ON k.code = c.code
"""
_CLAIMS_OF: Final = _CLAIM + "WHERE c.referee = ANY($1::text[])"
_CLAIM_BY_ID: Final = _CLAIM + "WHERE c.id = $1"
_JUDGE: Final = """
UPDATE claim AS c SET state = v.state, reason = v.reason, order_id = v.order_id, recommender = v.recommender,
                      answer = CASE WHEN v.new THEN v.reason ELSE c.answer END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[])
    AS v(id, state, reason, order_id, recommender, new)
WHERE c.id = v.id
"""
_REMEMBER: Final = (
    "INSERT INTO idempotency (key, request, claim_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
_REMEMBERED: Final = "SELECT request, claim_id FROM idempotency WHERE key = $1"


async def add_order_events(tx: Tx, rows: Sequence[tuple[str, OrderEvent]]) -> None:
    """Store events by customer; of two with one identity the first stays."""
    if not rows:
        return
    values = (
        (customer, e.source, e.id, e.kind.value, e.time, e.order_id, e.amount, e.currency, e.return_window_days,
         e.historical)
        for customer, e in rows
    )  # fmt: skip
    await tx.execute(_ADD_ORDER_EVENTS, *columns(values, 10))


async def order_events(tx: Tx, customers: Collection[str]) -> dict[str, list[OrderEvent]]:
    """Everything known of these customers' orders."""
    found: dict[str, list[OrderEvent]] = {customer: [] for customer in customers}
    for row in await tx.fetch(_ORDER_EVENTS, list(customers)):
        customer, source, id_, kind, *rest = row
        time, order_id, amount, currency, days, historical = rest
        event = OrderEvent(
            Kind(kind), time, source, id_, order_id, amount, currency, days, historical
        )
        found[customer].append(event)
    return found


async def add_touches(
    tx: Tx, touches: Mapping[UUID, tuple[str, Touch]], recorded_at: Mapping[str, datetime]
) -> set[UUID]:
    """Store touches of referees as claims still to be judged; returns those that were new."""
    values = (
        (t.id, referee, t.source, t.event, t.time, t.code, msgspec.json.encode(t.terms).decode(), t.expires_at,
         recorded_at[referee])
        for referee, t in touches.values()
    )  # fmt: skip
    rows = await tx.fetch(_ADD_CLAIMS, *columns(values, 9))
    await tx.execute(_HAVE_CLAIMS, [referee for referee, _ in touches.values()])
    return {row["id"] for row in rows}


def _claim(row: Any) -> Claim:
    touch = Touch(
        row["id"],
        row["time"],
        row["source"],
        row["event"],
        row["code"],
        row["whose"],
        _terms.decode(row["terms"]),
    )
    reason = Reason(row["reason"]) if row["reason"] else None
    answer = Reason(row["answer"]) if row["answer"] else None
    verdict = Verdict(State(row["state"]), reason, row["order_id"])
    return Claim(row["referee"], touch, verdict, answer, row["recorded_at"])


async def claims_of(tx: Tx, referees: Collection[str]) -> dict[str, list[Claim]]:
    """All claims of these referees, each with whose code it is known to be now."""
    found: dict[str, list[Claim]] = {referee: [] for referee in referees}
    for row in await tx.fetch(_CLAIMS_OF, list(referees)):
        found[row["referee"]].append(_claim(row))
    return found


async def claim(tx: "Pool | Tx", id_: UUID) -> Claim | None:
    """One claim."""
    row = await tx.fetchrow(_CLAIM_BY_ID, id_)
    return _claim(row) if row else None


async def judge(tx: Tx, verdicts: Iterable[tuple[Touch, Verdict, bool]]) -> None:
    """Store new verdicts; for those on new claims (True) also as the answer given."""
    values = (
        (t.id, v.state.value, v.reason, v.order_id, t.recommender, new) for t, v, new in verdicts
    )
    await tx.execute(_JUDGE, *columns(values, 6))


async def remember(
    tx: Tx, key: str, request: str, claim_id: UUID | None
) -> tuple[str, UUID | None] | None:
    """Store the request of an Idempotency-Key; returns what came first with the key, if something did."""
    if await tx.execute(_REMEMBER, key, request, claim_id) == "INSERT 0 1":
        return None
    return await remembered(tx, key)


async def remembered(tx: Tx, key: str) -> tuple[str, UUID | None] | None:
    """The request that came first with an Idempotency-Key, and the claim it made."""
    row = await tx.fetchrow(_REMEMBERED, key)
    return (row["request"], row["claim_id"]) if row else None
