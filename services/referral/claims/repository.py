"""SQL of order events and claims: one statement per batch and table."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from services.referral.domain.claims import Reason, State, Touch, Verdict
from services.referral.domain.orders import OrderEvent
from services.referral.domain.rewards import RewardFacts
from services.referral.domain.terms import Terms
from shared.database.columns import columns_of, execute_rows
from shared.database.connection import Pool, Tx
from shared.orders.facts import OrderAction, OrderDetails, OrderFact, Price

_decode_terms: Final = msgspec.json.Decoder(Terms).decode
_decode_facts: Final = msgspec.json.Decoder(RewardFacts).decode

_ADD_ORDER_EVENTS: Final = """
INSERT INTO order_event (customer, source, id, kind, time, order_id, store, amount, currency,
                         refund_id, replacement_of, return_window_days, historical)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                     $6::text[], $7::text[], $8::bigint[], $9::text[], $10::text[], $11::text[],
                     $12::int[], $13::boolean[])
ON CONFLICT DO NOTHING
"""
_ORDER_EVENTS: Final = "SELECT * FROM order_event WHERE customer = ANY($1::text[])"
_ADD_CLAIMS: Final = """
INSERT INTO claim (id, referee, source, event, time, code, terms, expires_at, state, recorded_at)
SELECT id, referee, source, event, time, code, terms, expires_at, 'accepted', recorded_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::text[],
            $7::jsonb[], $8::timestamptz[], $9::timestamptz[])
    AS t(id, referee, source, event, time, code, terms, expires_at, recorded_at)
ON CONFLICT DO NOTHING
"""
_HAVE_CLAIMS: Final = """
UPDATE member SET has_claims = true WHERE customer = ANY($1::text[]) AND NOT has_claims
"""
_CLAIM: Final = """
SELECT c.*, coalesce(c.recommender, k.customer) AS owner
FROM claim AS c LEFT JOIN code AS k ON k.code = c.code
"""
_CLAIMS_OF: Final = _CLAIM + "WHERE c.referee = ANY($1::text[])"
_CLAIM_BY_ID: Final = _CLAIM + "WHERE c.id = $1"
_SAVE_VERDICTS: Final = """
UPDATE claim AS c
SET state = v.state, reason = v.reason, order_id = v.order_id, recommender = v.recommender,
    answer = CASE WHEN c.answers > 0 THEN c.answer ELSE v.reason END, answers = v.answers,
    revision = v.revision, facts = v.facts
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[],
            $8::jsonb[])
    AS v(id, state, reason, order_id, recommender, answers, revision, facts)
WHERE c.id = v.id
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as stored; `answer` is the reason for refusing it when it was recorded, or None.

    Before it is judged for the first time its verdict says nothing; `answers` counts those that
    have been announced. `facts` are those of its
    rewards, in the `revision` that was sent last.
    """

    touch: Touch
    verdict: Verdict
    answer: Reason | None
    recorded_at: datetime
    answers: int = 1
    revision: int = 0
    facts: RewardFacts | None = None

    @property
    def is_judged(self) -> bool:
        """Has it ever been answered?"""
        return self.answers > 0

    @property
    def referee(self) -> str:
        """The id that named the code."""
        return self.touch.referee


class NewVerdict(NamedTuple):
    """A verdict to store, and the revision of the rewards' facts that it comes with."""

    touch: Touch
    verdict: Verdict
    answers: int
    revision: int
    facts: RewardFacts | None


async def add_order_events(tx: Tx, events: Sequence[OrderEvent]) -> None:
    """Store events; of two with the same identity the first stays."""
    await execute_rows(tx, _ADD_ORDER_EVENTS, [_order_event_row(event) for event in events])


async def load_order_events(tx: Tx, customers: Collection[str]) -> dict[str, list[OrderEvent]]:
    """All events about the orders of these customers, by customer."""
    events: dict[str, list[OrderEvent]] = {customer: [] for customer in customers}
    for row in await tx.fetch(_ORDER_EVENTS, list(customers)):
        events[row["customer"]].append(_order_event(row))
    return events


async def add_touches(
    tx: Tx, touches: Collection[Touch], recorded_at: Mapping[str, datetime]
) -> None:
    """Store touches as claims without a verdict; `recorded_at` has the clock by referee."""
    values = (_claim_row(touch, recorded_at[touch.referee]) for touch in touches)
    await tx.execute(_ADD_CLAIMS, *columns_of(values, 9))
    await tx.execute(_HAVE_CLAIMS, [touch.referee for touch in touches])


async def load_claims(tx: Tx, referees: Collection[str]) -> dict[str, list[Claim]]:
    """All claims of these referees, by referee, with the present owners of the codes."""
    claims: dict[str, list[Claim]] = {referee: [] for referee in referees}
    for row in await tx.fetch(_CLAIMS_OF, list(referees)):
        claims[row["referee"]].append(_claim(row))
    return claims


async def find_claim(source: Pool | Tx, id: UUID) -> Claim | None:
    """One claim."""
    row = await source.fetchrow(_CLAIM_BY_ID, id)
    return _claim(row) if row else None


async def save_verdicts(tx: Tx, verdicts: Iterable[NewVerdict]) -> None:
    """Store verdicts; for claims that had none yet also as the answer given."""
    await tx.execute(_SAVE_VERDICTS, *columns_of(map(_verdict_row, verdicts), 8))


def _order_event_row(event: OrderEvent) -> tuple[Any, ...]:
    fact = event.fact
    details = fact.details
    price = details.total or details.amount
    return (
        fact.origin,
        fact.source,
        fact.id,
        fact.action.value,
        fact.time,
        details.order_id,
        details.store,
        price and price.amount,
        price and price.currency,
        details.refund_id,
        details.replacement_of,
        event.return_window_days,
        fact.historical,
    )


def _order_event(row: Any) -> OrderEvent:
    action = OrderAction(row["kind"])
    price = Price(row["amount"], row["currency"]) if row["currency"] else None
    says_total = action in (OrderAction.COMPLETED, OrderAction.UPDATED)
    details = OrderDetails(
        row["order_id"],
        store=row["store"],
        total=price if says_total else None,
        amount=None if says_total else price,
        refund_id=row["refund_id"],
        replacement_of=row["replacement_of"],
    )
    fact = OrderFact(
        action,
        row["time"],
        row["source"],
        row["id"],
        details,
        origin=row["customer"],
        historical=row["historical"],
    )
    return OrderEvent(fact, row["return_window_days"])


def _verdict_row(new: NewVerdict) -> tuple[Any, ...]:
    verdict = new.verdict
    return (
        new.touch.id,
        verdict.state.value,
        verdict.reason,
        verdict.order_id,
        new.touch.recommender,
        new.answers,
        new.revision,
        msgspec.json.encode(new.facts).decode() if new.facts else None,
    )


def _claim_row(touch: Touch, recorded_at: datetime) -> tuple[Any, ...]:
    return (
        touch.id,
        touch.referee,
        touch.source,
        touch.event,
        touch.time,
        touch.code,
        msgspec.json.encode(touch.terms).decode(),
        touch.expires_at,
        recorded_at,
    )


def _claim(row: Any) -> Claim:
    touch = Touch(
        id=row["id"],
        referee=row["referee"],
        time=row["time"],
        source=row["source"],
        event=row["event"],
        code=row["code"],
        recommender=row["owner"],
        terms=_decode_terms(row["terms"]),
    )
    reason = Reason(row["reason"]) if row["reason"] else None
    answer = Reason(row["answer"]) if row["answer"] else None
    verdict = Verdict(State(row["state"]), reason, row["order_id"])
    facts = _decode_facts(row["facts"]) if row["facts"] else None
    return Claim(touch, verdict, answer, row["recorded_at"], row["answers"], row["revision"], facts)
