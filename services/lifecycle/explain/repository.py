"""Reads of explanations: phases as known at any time, events behind a transition, timelines."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeAlias

from services.lifecycle.codecs import decode_customer, decode_transition
from services.lifecycle.customers.facts import facts_held
from services.lifecycle.domain.phase_models import CustomerFact
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.events import ACTION_TYPES, PRODUCT_ACTIVATED
from shared.database.connection import Pool
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.events.ranks import RANKS
from shared.events.transitions import Transition
from shared.ids import hash64

_SIGNED_UP: Final = "customer.signed_up"
_ENDED: Final = f"('{Phase.INACTIVE}', '{Phase.FORMER}')"
_UNDONE: Final = f"'{RuleName.FIRST_PURCHASE_UNDONE}'"

_EVENT: Final = 0
_TRANSITION: Final = 1
_DEAD_LETTER: Final = 3
"""The `rank` below, with 2 for hints: of one instant, causes come before what follows."""

_PHASE_THEN: Final = f"""
WITH known AS (
    SELECT position, to_phase, rule, occurred_at, body FROM transition
    WHERE customer = $1 AND recorded_at <= $3 AND (withdrawn_at IS NULL OR withdrawn_at > $3)
)
SELECT t.body, coalesce(
    (
        SELECT b.occurred_at FROM known AS b
        WHERE t.rule = {_UNDONE} AND t.to_phase IN {_ENDED}
            AND b.to_phase = t.to_phase AND b.rule <> {_UNDONE} AND b.position < t.position
        ORDER BY b.position DESC LIMIT 1
    ),
    t.occurred_at
) AS since
FROM known AS t WHERE t.occurred_at <= $2 ORDER BY t.position DESC LIMIT 1
"""  # noqa: S608  (constants)
"""If a return is undone, the phase before it holds again, since when it did before."""
_FIRST_PHASE: Final = """
SELECT min(occurred_at) FROM transition
WHERE customer = $1 AND recorded_at <= $2 AND (withdrawn_at IS NULL OR withdrawn_at > $2)
"""
_ACTS: Final = """
SELECT time, body FROM event
WHERE customer_key = $1 AND type = ANY($4::text[]) AND time <= $2 AND recorded_at <= $3
"""
_WITH_TRANSITION: Final = """
SELECT c.state, c.version, c.parked, t.body FROM customer AS c
LEFT JOIN transition AS t ON t.customer = c.customer AND t.withdrawn IS NULL
WHERE c.customer = $1 ORDER BY t.position DESC LIMIT 1
"""
_EVENTS: Final = """
SELECT recorded_at, body FROM event
WHERE customer_key = $1 AND time = $2
"""
_RANK_OF_TYPE: Final = " ".join(f"WHEN '{type}' THEN {rank}" for type, rank in RANKS.items())
_TIMELINE: Final = f"""
SELECT * FROM (
    SELECT time AS at, 0 AS rank,
        (CASE type {_RANK_OF_TYPE} ELSE 0 END)::bigint AS n, event_key AS v, recorded_at, body,
        NULL::bigint AS withdrawn, NULL::timestamptz AS withdrawn_at,
        reason AS name, NULL AS occasion, waits
    FROM event LEFT JOIN remark USING (customer_key, event_key) WHERE customer_key = $2
    UNION ALL
    SELECT occurred_at, 1, position, version, recorded_at, body,
        withdrawn, withdrawn_at, NULL, NULL, NULL
    FROM transition WHERE customer = $1 AND (withdrawn IS NULL OR $3)
    UNION ALL
    SELECT at, 2, hashtextextended(name || ' ' || occasion, 0), 0, NULL, NULL,
        NULL, NULL, name, occasion, NULL
    FROM hint WHERE customer = $1
    UNION ALL
    SELECT coalesce(time, recorded_at), 3, "offset",
        hashtextextended(topic || ' ' || partition, 0), recorded_at, value,
        NULL, NULL, reason, NULL, NULL
    FROM dead_letter WHERE subject = $1
) AS entry
WHERE (at, rank, n, v) < ($4::timestamptz, $5::bigint, $6::bigint, $7::bigint)
ORDER BY at DESC, rank DESC, n DESC, v DESC LIMIT $8
"""  # noqa: S608  (constants)

EntryKey: TypeAlias = tuple[datetime, int, int, int]
"""The place of an entry: its instant, its rank, and two numbers that tell it from its equals."""
LATEST: Final[EntryKey] = (datetime(9999, 12, 31, tzinfo=UTC), 0, 0, 0)


class PhaseThen(NamedTuple):
    """The transition that led to a phase of the past, and when that phase had begun."""

    transition: Transition
    since: datetime


class StoredEvent(NamedTuple):
    """One of the customer's events, and the clock when it was recorded."""

    event: Envelope
    recorded_at: datetime


class StoredTransition(NamedTuple):
    """A transition, and the version and clock of the correction that withdrew it, if one did."""

    transition: Transition
    withdrawn: int | None
    withdrawn_at: datetime | None


class StoredHint(NamedTuple):
    """A hint that was given to the shop."""

    name: str
    occasion: str
    at: datetime


class StoredDeadLetter(NamedTuple):
    """An event that was set aside for a reason, and the clock when it was.

    That clock is the event's time if its own cannot be read.
    """

    event: Envelope
    reason: str
    recorded_at: datetime


class RemarkedEvent(NamedTuple):
    """A stored event, the clock when it was recorded, and why it has had no effect, if so."""

    event: Envelope
    recorded_at: datetime
    reason: str | None
    waits: bool


EntryContent: TypeAlias = RemarkedEvent | StoredTransition | StoredHint | StoredDeadLetter


class Entry(NamedTuple):
    """One entry of a timeline, and its place."""

    key: EntryKey
    content: EntryContent


class CustomerWithTransition(NamedTuple):
    """A customer's state and version, why it is parked, and what led to its phase.

    `parked` and `transition` are None if there is no such thing.
    """

    customer: Customer
    version: int
    parked: str | None
    transition: Transition | None


async def find_with_transition(pool: Pool, customer: str) -> CustomerWithTransition | None:
    """A customer of whom something is stored, all of it as of one commit."""
    row = await pool.fetchrow(_WITH_TRANSITION, customer)
    if row is None:
        return None
    body = row["body"]
    transition = None if body is None else decode_transition(body)
    state = decode_customer(row["state"])
    return CustomerWithTransition(state, row["version"], row["parked"], transition)


async def phase_then(
    pool: Pool, customer: str, as_of: datetime, known_at: datetime
) -> PhaseThen | None:
    """The phase at `as_of`, as it was known when the clock stood at `known_at`; None: no phase."""
    row = await pool.fetchrow(_PHASE_THEN, customer, as_of, known_at)
    return PhaseThen(decode_transition(row["body"]), row["since"]) if row else None


async def first_phase_at(pool: Pool, customer: str, known_at: datetime) -> datetime | None:
    """When the customer got its first phase, as known then; None: nothing was known."""
    first: datetime | None = await pool.fetchval(_FIRST_PHASE, customer, known_at)
    return first


async def known_facts(
    pool: Pool, customer: str, as_of: datetime, known_at: datetime, active: timedelta
) -> frozenset[CustomerFact]:
    """Which facts held at `as_of`, by the events that were known at `known_at`.

    `active` is the span in which acts count.
    """
    rows = await pool.fetch(_ACTS, hash64(customer), as_of, known_at, ACTION_TYPES)
    acts = [
        (row["time"], event.type) for row in rows for event in _own_event(customer, row["body"])
    ]
    first = {type: time for time, type in sorted(acts, reverse=True)}
    return facts_held(
        as_of,
        signed_up_at=first.get(_SIGNED_UP),
        activated_at=first.get(PRODUCT_ACTIVATED),
        acted=any(time > as_of - active for time, _ in acts),
    )


async def find_evidence(pool: Pool, customer: str, transition: Transition) -> list[StoredEvent]:
    """The events that are evidence of a transition, also those that a merge has brought."""
    named = {(ref.source, ref.id) for ref in transition.evidence.events}
    if not named:
        return []
    return [
        StoredEvent(event, row["recorded_at"])
        for row in await pool.fetch(_EVENTS, hash64(customer), transition.occurred_at)
        for event in _own_event(customer, row["body"])
        if (event.source, event.id) in named
    ]


async def timeline_page(
    pool: Pool, customer: str, *, withdrawn_too: bool, before: EntryKey, limit: int
) -> list[Entry]:
    """Events, transitions, hints and dead letters before a key, newest first.

    Of one instant, consequences come before what they follow from.
    """
    rows = await pool.fetch(_TIMELINE, customer, hash64(customer), withdrawn_too, *before, limit)
    return [Entry((row["at"], row["rank"], row["n"], row["v"]), _content(row)) for row in rows]


def _content(row: Any) -> EntryContent:
    if row["rank"] == _EVENT:
        event = envelope.decode(row["body"])
        return RemarkedEvent(event, row["recorded_at"], row["name"], bool(row["waits"]))
    if row["rank"] == _TRANSITION:
        transition = decode_transition(row["body"])
        return StoredTransition(transition, row["withdrawn"], row["withdrawn_at"])
    if row["rank"] == _DEAD_LETTER:
        event = envelope.decode_at(row["body"], row["at"])
        return StoredDeadLetter(event, row["name"], row["recorded_at"])
    return StoredHint(row["name"], row["occasion"], row["at"])


def _own_event(customer: str, body: bytes) -> Iterator[Envelope]:
    """The event, unless it is of another customer with the same hash."""
    event = envelope.decode(body)
    if event.subject == customer:
        yield event
