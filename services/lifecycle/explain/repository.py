"""Reads of time: what held when as known when, the events behind a transition, and everything in order of time."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from services.lifecycle.codecs import decode_customer, decode_transition
from services.lifecycle.customers.facts import facts_held
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.events import ACTION_TYPES, ACTIVATED
from shared.database.connection import Pool
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.events.transitions import EventRef, Transition
from shared.ids import narrow

SIGNED_UP: Final = "customer.signed_up"
ENDED: Final = f"('{Phase.INACTIVE}', '{Phase.FORMER}')"
UNDONE: Final = f"'{RuleName.FIRST_PURCHASE_UNDONE}'"

EVENT, TRANSITION = 0, 1
"""`rank` below; hints come after both."""

_HELD: Final = f"""
WITH known AS (
    SELECT position, to_phase, rule, occurred_at, body FROM transition
    WHERE customer = $1 AND recorded_at <= $3 AND (withdrawn_at IS NULL OR withdrawn_at > $3)
)
SELECT t.body, coalesce(
    (
        SELECT b.occurred_at FROM known AS b
        WHERE t.rule = {UNDONE} AND t.to_phase IN {ENDED}
            AND b.to_phase = t.to_phase AND b.rule <> {UNDONE} AND b.position < t.position
        ORDER BY b.position DESC LIMIT 1
    ),
    t.occurred_at
) AS since
FROM known AS t WHERE t.occurred_at <= $2 ORDER BY t.position DESC LIMIT 1
"""  # noqa: S608  (constants)
"""An undone return gives the phase before it back, with its old beginning."""
_FIRST: Final = """
SELECT min(occurred_at) FROM transition
WHERE customer = $1 AND recorded_at <= $2 AND (withdrawn_at IS NULL OR withdrawn_at > $2)
"""
_ACTS: Final = """
SELECT time, body FROM event WHERE customer_key = $1 AND type = ANY($4::text[]) AND time <= $2 AND recorded_at <= $3
"""
_STANDING: Final = """
SELECT c.state, c.version, c.parked, t.body FROM customer AS c
LEFT JOIN transition AS t ON t.customer = c.customer AND t.withdrawn IS NULL
WHERE c.customer = $1 ORDER BY t.position DESC LIMIT 1
"""
_EVIDENCE: Final = """
SELECT recorded_at, body FROM event WHERE customer_key = $1 AND event_key = ANY($2::bigint[]) ORDER BY time
"""
_ENTRIES: Final = """
SELECT * FROM (
    SELECT time AS at, 0 AS rank, event_key AS n, 0::bigint AS v,
        recorded_at, body, NULL::bigint AS withdrawn, NULL::timestamptz AS withdrawn_at, NULL AS name, NULL AS occasion
    FROM event WHERE customer_key = $2
    UNION ALL
    SELECT occurred_at, 1, position, version, recorded_at, body, withdrawn, withdrawn_at, NULL, NULL
    FROM transition WHERE customer = $1 AND (withdrawn IS NULL OR $3)
    UNION ALL
    SELECT at, 2, hashtextextended(name || ' ' || occasion, 0), 0, NULL, NULL, NULL, NULL, name, occasion
    FROM hint WHERE customer = $1
) AS entry
WHERE (at, rank, n, v) < ($4::timestamptz, $5::bigint, $6::bigint, $7::bigint)
ORDER BY at DESC, rank DESC, n DESC, v DESC LIMIT $8
"""

Key = tuple[datetime, int, int, int]
"""Where an entry stands: its instant, its kind, and what tells those of one instant and kind apart."""
LATEST: Final[Key] = (datetime(9999, 12, 31, tzinfo=UTC), 0, 0, 0)


class PhaseThen(NamedTuple):
    """The transition that led to what held, and since when it did."""

    transition: Transition
    since: datetime


class StoredEvent(NamedTuple):
    """One of the customer's events, and the clock when it was recorded."""

    event: Envelope
    recorded_at: datetime


class StoredTransition(NamedTuple):
    """A transition, and the version and clock of the correction that voided it, if one did."""

    transition: Transition
    withdrawn: int | None
    withdrawn_at: datetime | None


class StoredHint(NamedTuple):
    """A hint that was given."""

    name: str
    occasion: str
    at: datetime


class Entry(NamedTuple):
    """One entry of a timeline, and where it stands."""

    key: Key
    content: StoredEvent | StoredTransition | StoredHint


class CustomerWithTransition(NamedTuple):
    """A customer's state and version, why it is parked if it is, and the transition that led to its phase."""

    customer: Customer
    version: int
    parked: str | None
    transition: Transition | None


async def phase_then(
    pool: Pool, customer: str, as_of: datetime, known_at: datetime
) -> PhaseThen | None:
    """What held of a customer at an instant, as it was known when the clock stood at another; None if nothing."""
    row = await pool.fetchrow(_HELD, customer, as_of, known_at)
    return PhaseThen(decode_transition(row["body"]), row["since"]) if row else None


async def first_phase_at(pool: Pool, customer: str, known_at: datetime) -> datetime | None:
    """When the customer got its first phase, as known then; None if it was not known at all."""
    found: datetime | None = await pool.fetchval(_FIRST, customer, known_at)
    return found


async def known_facts(
    pool: Pool, customer: str, as_of: datetime, known_at: datetime, active: timedelta
) -> frozenset[CustomerFact]:
    """What held beside the phase, from the events that were known; `active` is the span in which acts count."""
    acts = [
        (row["time"], event.type)
        for row in await pool.fetch(_ACTS, narrow(customer), as_of, known_at, ACTION_TYPES)
        for event in _own(customer, row["body"])
    ]
    first = {type: time for time, type in sorted(acts, reverse=True)}
    return facts_held(
        as_of,
        signed_up_at=first.get(SIGNED_UP),
        activated_at=first.get(ACTIVATED),
        acted=any(time > as_of - active for time, _ in acts),
    )


async def find_with_transition(pool: Pool, customer: str) -> CustomerWithTransition | None:
    """The customer as it stands, all of it as of one commit."""
    row = await pool.fetchrow(_STANDING, customer)
    if row is None:
        return None
    body = row["body"]
    transition = None if body is None else decode_transition(body)
    return CustomerWithTransition(
        decode_customer(row["state"]), row["version"], row["parked"], transition
    )


async def find_events(pool: Pool, customer: str, refs: Iterable[EventRef]) -> list[StoredEvent]:
    """The events named, oldest first."""
    keys = [narrow(f"{ref.source}\x1f{ref.id}") for ref in refs]
    rows = await pool.fetch(_EVIDENCE, narrow(customer), keys) if keys else []
    return [
        StoredEvent(event, row["recorded_at"])
        for row in rows
        for event in _own(customer, row["body"])
    ]


async def timeline_page(
    pool: Pool, customer: str, *, withdrawn_too: bool, before: Key, limit: int
) -> list[Entry]:
    """Events, transitions and hints that stand before a key, newest first; of one instant the consequences first."""
    rows = await pool.fetch(_ENTRIES, customer, narrow(customer), withdrawn_too, *before, limit)
    return [Entry((row["at"], row["rank"], row["n"], row["v"]), _entry(row)) for row in rows]


def _entry(row: Any) -> StoredEvent | StoredTransition | StoredHint:
    if row["rank"] == EVENT:
        return StoredEvent(envelope.decode(row["body"]), row["recorded_at"])
    if row["rank"] == TRANSITION:
        return StoredTransition(
            decode_transition(row["body"]), row["withdrawn"], row["withdrawn_at"]
        )
    return StoredHint(row["name"], row["occasion"], row["at"])


def _own(customer: str, body: bytes) -> Iterator[Envelope]:
    """The event, unless it is of somebody with the same hash."""
    event = envelope.decode(body)
    if event.subject == customer:
        yield event
