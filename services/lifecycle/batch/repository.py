"""The SQL statements of a batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple, Self, TypeAlias

import msgspec

from services.lifecycle.batch.cache import Entry
from services.lifecycle.domain.hints import CHANGE_DUE, CHANGE_WITHDRAWN
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import LARGEST_AMOUNT
from services.lifecycle.tables import magnitude
from shared.database.connection import Tx
from shared.errors import Retryable
from shared.events.transitions import Transition
from shared.ids import narrow
from shared.stream.outgoing.outbox import Message

_encode: Final = msgspec.json.Encoder().encode
_state: Final = msgspec.json.Decoder(Customer)
_transition: Final = msgspec.json.Decoder(Transition)


EventRow: TypeAlias = tuple[
    int, int, int | None, datetime, datetime, str, int | None, str | None, bytes
]
"""One event to store: the columns below."""
_EVENT: Final = (
    "customer_key", "event_key", "order_key", "time", "recorded_at", "type", "amount", "currency", "body"
)  # fmt: skip


TransitionRow: TypeAlias = tuple[
    str, int, int, str | None, str, str, datetime, datetime, datetime | None, bytes
]
"""One transition to store: the columns below. (A named tuple takes fifty times as long to make as a tuple.)"""
_TRANSITION: Final = (
    "customer", "version", "position", "from_phase", "to_phase", "rule", "occurred_at", "recorded_at", "since", "body"
)  # fmt: skip


Withdrawal: TypeAlias = tuple[str, int, int, datetime]
"""The customer, the version that is void, the version of the correction, and its clock."""


Flow: TypeAlias = tuple[date, str, str, str, str, int]
"""Current transitions of one UTC day, to be counted: the phases left and entered, the rule, account, partition.

The phase that is left and the account are empty where they are not known.
"""

CAUSE: Final = "cause"
HINT: Final = "hint"


Tally: TypeAlias = tuple[date, str, str, int]
"""What is counted of one UTC day, and under which name, and the partition.

Moves to at_risk with a cause of a kind; hints of a name; by how many more customers than the day before are in a phase
while a fact holds of them (the fact, and the phase).
"""


class Relabelled(NamedTuple):
    """A customer whose kind of account has changed, and from what."""

    customer: str
    partition: int
    before: str
    now: str


class HintRow(NamedTuple):
    """One hint to give, unless it was given before."""

    customer: str
    name: str
    occasion: str
    at: datetime
    message: Message


class Rearming(NamedTuple):
    """How far the customers of a partition have been told of an activation: those up to `after` know it."""

    partition: int
    target: int
    after: str
    done: int
    finished: bool


class CustomerRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A customer as it stands now: the entry itself moves on while the row is being written."""

    customer: str
    partition: int
    version: int
    key: int
    state: Customer
    phase: str | None = None
    parked: str | None = None
    merged_into: str | None = None
    signed_up_at: datetime | None = None
    activated_at: datetime | None = None
    account: str | None = None
    since: datetime | None = None
    first_order_at: datetime | None = None
    causes: Collection[str] = frozenset()
    value: int = 0
    currency: str | None = None
    magnitude: int = 0

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """The row of an entry."""
        state = entry.customer
        value, currency = state.largest_revenue
        value = value if value < LARGEST_AMOUNT else LARGEST_AMOUNT  # noqa: FURB136  (min takes five times as long)
        return cls(
            entry.id, entry.partition, entry.version, entry.key, state,
            state.phase, entry.parked, entry.merged_into, state.signed_up_at, state.activated_at,
            state.account, state.since if state.phase else None, state.first_order_at, state.causes,
            value, currency, magnitude(value),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Due:
    """Whose deadlines to look for: a partition's that fell due after `after`, until `until`."""

    partition: int
    after: datetime
    until: datetime


_LOAD: Final = """
SELECT c.customer, c.partition, c.version, c.state, c.parked, c.merged_into, t.due_at
FROM customer AS c LEFT JOIN timer AS t USING (customer) WHERE c.customer = ANY($1::text[])
"""
_KNOWN: Final = (
    "SELECT customer_key, event_key, order_key FROM event WHERE customer_key = ANY($1::bigint[])"
)
_EVENTS: Final = "SELECT customer_key, body FROM event WHERE customer_key = ANY($1::bigint[])"
_BODY: Final = "SELECT body FROM event WHERE customer_key = $1 AND event_key = $2"
_HISTORY: Final = """
SELECT customer, version, body FROM transition
WHERE customer = ANY($1::text[]) AND withdrawn IS NULL ORDER BY customer, position
"""
_DUE: Final = """
SELECT t.customer, t.partition
FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS d(partition, after, until)
CROSS JOIN LATERAL (
    SELECT customer, partition, due_at FROM timer
    WHERE timer.partition = d.partition AND timer.due_at > d.after AND timer.due_at <= d.until
    ORDER BY timer.due_at LIMIT $4
) AS t ORDER BY t.partition, t.due_at LIMIT $4
"""
_SAVE: Final = """
INSERT INTO customer
    (customer, partition, version, key, state, phase, parked, merged_into, signed_up_at, activated_at,
     account, since, first_order_at, causes, value, currency, magnitude)
SELECT customer, partition, version, key, state, phase, parked, merged_into, signed_up_at, activated_at,
    account, since, first_order_at, coalesce(causes, '{}'), coalesce(value, 0), currency, coalesce(magnitude, 0)
FROM json_to_recordset($1::json) AS row (
    customer text, partition int, version bigint, key bigint, state json,
    phase text, parked text, merged_into text, signed_up_at timestamptz, activated_at timestamptz,
    account text, since timestamptz, first_order_at timestamptz, causes text[],
    value bigint, currency text, magnitude smallint)
ON CONFLICT (customer) DO UPDATE
SET phase = excluded.phase, version = excluded.version, state = excluded.state, parked = excluded.parked,
    merged_into = excluded.merged_into, signed_up_at = excluded.signed_up_at, activated_at = excluded.activated_at,
    account = excluded.account, since = excluded.since, first_order_at = excluded.first_order_at,
    causes = excluded.causes, value = excluded.value, currency = excluded.currency, magnitude = excluded.magnitude
"""
_RETELL: Final = """
INSERT INTO retold (customer_key, order_key) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING
"""
_WITHDRAW: Final = """
UPDATE transition AS t SET withdrawn = w.by, withdrawn_at = w.at
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[]) AS w(customer, version, by, at)
WHERE t.customer = w.customer AND t.version = w.version AND t.withdrawn IS NULL
"""
_RELABEL: Final = """
WITH moved AS MATERIALIZED (
    SELECT who.*, t.from_phase, t.to_phase, t.rule, t.occurred_at
    FROM unnest($1::text[], $2::int[], $3::text[], $4::text[]) AS who(customer, partition, before, now)
    JOIN transition AS t ON t.customer = who.customer AND t.withdrawn IS NULL
),
counted AS (
    INSERT INTO flow AS f (day, from_phase, to_phase, rule, account, partition, n)
    SELECT (occurred_at AT TIME ZONE 'UTC')::date, coalesce(from_phase, ''), to_phase, rule, said.account, partition,
        sum(said.n)
    FROM moved CROSS JOIN LATERAL (VALUES (before, -1), (now, 1)) AS said(account, n)
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (day, from_phase, to_phase, rule, account, partition) DO UPDATE SET n = f.n + excluded.n
)
SELECT partition, min(occurred_at) FROM moved GROUP BY 1
"""
_FLOW: Final = """
INSERT INTO flow AS f (day, from_phase, to_phase, rule, account, partition, n)
SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[])
ON CONFLICT (day, from_phase, to_phase, rule, account, partition) DO UPDATE SET n = f.n + excluded.n
"""
_TALLY: Final = """
INSERT INTO tally AS t (day, what, name, partition, n)
SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::int[], $5::bigint[])
ON CONFLICT (day, what, name, partition) DO UPDATE SET n = t.n + excluded.n
"""
_RESTATE: Final = """
INSERT INTO restated AS r (partition, day, at) SELECT * FROM unnest($1::int[], $2::date[], $3::timestamptz[])
ON CONFLICT (partition, day) DO UPDATE SET number = r.number + 1, at = excluded.at
"""
_ARM: Final = """
INSERT INTO timer (customer, partition, due_at) SELECT * FROM unnest($1::text[], $2::int[], $3::timestamptz[])
ON CONFLICT (customer) DO UPDATE SET due_at = excluded.due_at
"""
_HINT: Final = """
WITH told AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS t(customer, name, occasion, at)
), new AS (
    INSERT INTO hint (customer, name, occasion, at) SELECT * FROM told
    ON CONFLICT DO NOTHING RETURNING customer, name, occasion
)
SELECT customer, name, occasion FROM told EXCEPT SELECT * FROM new
"""
_INTO: Final = "SELECT merged_into FROM customer WHERE customer = $1"
_LOCK_MERGING: Final = "SELECT pg_advisory_xact_lock(hashtextextended('lifecycle.merging', 0))"
_CYCLE: Final = """
WITH RECURSIVE chain AS (
    SELECT customer AS start, merged_into FROM customer WHERE customer = ANY($1::text[])
    UNION ALL
    SELECT chain.start, c.merged_into FROM chain JOIN customer AS c ON c.customer = chain.merged_into
    WHERE chain.merged_into <> chain.start
)
SELECT start FROM chain WHERE merged_into = start LIMIT 1
"""
_NOTICED: Final = """
SELECT customer, occasion FROM hint
JOIN unnest($2::text[], $3::text[]) AS told(customer, occasion) USING (customer, occasion) WHERE name = $1
"""
_REARMING: Final = (
    "SELECT partition, target, after, done, finished FROM rearming WHERE NOT finished"
)
_NEXT: Final = "SELECT customer FROM customer WHERE partition = $1 AND customer > $2 ORDER BY customer LIMIT $3"
_REARMED: Final = """
UPDATE rearming AS r SET after = told.after, done = told.done, finished = told.finished
FROM unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bool[])
    AS told(partition, target, after, done, finished)
WHERE r.partition = told.partition AND r.target = told.target
"""
_SIGHTED: Final = "SELECT partition FROM sighting WHERE type = $1"
_SIGHT: Final = """
INSERT INTO sighting (type, partition) SELECT $1, partition FROM unnest($2::int[]) AS s(partition)
ON CONFLICT DO NOTHING
"""
_DISARM: Final = "DELETE FROM timer WHERE customer = ANY($1::text[])"


async def load(connection: Tx, customers: Sequence[str]) -> list[Entry]:
    """States and known event identities of those customers that exist."""
    rows = await connection.fetch(_LOAD, customers)
    entries = {
        row["customer"]: Entry(
            row["customer"],
            row["partition"],
            _state.decode(row["state"]),
            row["version"],
            row["parked"],
            row["merged_into"],
            row["due_at"],
        )
        for row in rows
    }
    if entries:
        by_key = {entry.key: entry for entry in entries.values()}
        for row in await connection.fetch(_KNOWN, list(by_key)):
            entry = by_key[row["customer_key"]]
            entry.known.add(row["event_key"])
            if row["order_key"] is not None:
                entry.orders.add(row["order_key"])
    return list(entries.values())


async def events(connection: Tx, customers: Iterable[str]) -> dict[str, list[bytes]]:
    """The stored events of customers, in no order. Hashes may collide: readers check the subject."""
    by_key = {narrow(customer): customer for customer in customers}
    found: dict[str, list[bytes]] = {customer: [] for customer in by_key.values()}
    for row in await connection.fetch(_EVENTS, list(by_key)):
        found[by_key[row["customer_key"]]].append(row["body"])
    return found


async def event(connection: Tx, customer: str, event_key: int) -> bytes | None:
    """One stored event."""
    body: bytes | None = await connection.fetchval(_BODY, narrow(customer), event_key)
    return body


async def histories(connection: Tx, customers: Iterable[str]) -> dict[str, list[Transition]]:
    """The current histories of customers, oldest first."""
    found: dict[str, list[Transition]] = {customer: [] for customer in customers}
    for row in await connection.fetch(_HISTORY, list(found)):
        found[row["customer"]].append(_transition.decode(row["body"]))
    return found


async def due(connection: Tx, wanted: Sequence[Due], limit: int) -> list[tuple[str, int]]:
    """Customers, with their partition, that may have a deadline due; ordered by partition, then instant."""
    partitions, after, until = zip(*((d.partition, d.after, d.until) for d in wanted), strict=True)
    return [tuple(row) for row in await connection.fetch(_DUE, partitions, after, until, limit)]


async def merged_into(connection: Tx, customer: str) -> str | None:
    """Whom a customer is merged into, if into anybody."""
    into: str | None = await connection.fetchval(_INTO, customer)
    return into


async def begin_merging(tx: Tx) -> None:
    """One batch that merges at a time: two could close a cycle that neither of them sees."""
    await tx.execute(_LOCK_MERGING)


async def refuse_cycles(tx: Tx, customers: Iterable[str]) -> None:
    """Raises Retryable if these mergers, just written, close a cycle with others: judged again, one is refused."""
    start = await tx.fetchval(_CYCLE, list(customers))
    if start is not None:
        raise Retryable(f"another worker has merged customers in a cycle through {start}")


async def rearming(connection: Tx) -> dict[int, Rearming]:
    """How far unfinished re-arming has come, by partition."""
    return {row["partition"]: Rearming(*row) for row in await connection.fetch(_REARMING)}


async def customers_after(connection: Tx, partition: int, after: str, limit: int) -> list[str]:
    """The next customers of a partition in the order of their ids."""
    return [row["customer"] for row in await connection.fetch(_NEXT, partition, after, limit)]


async def advance_rearming(tx: Tx, rows: Mapping[int, Rearming]) -> None:
    """Note how far the customers know an activation; where another has come since, it begins anew by itself."""
    if rows:
        await tx.execute(_REARMED, *map(list, zip(*(rows[p] for p in sorted(rows)), strict=True)))


async def sighted(connection: Tx, type: str) -> set[int]:
    """The partitions on which an event of a type has ever been seen."""
    return {row["partition"] for row in await connection.fetch(_SIGHTED, type)}


async def add_sightings(tx: Tx, type: str, partitions: Sequence[int]) -> None:
    """Note that events of a type have been seen."""
    if partitions:
        await tx.execute(_SIGHT, type, partitions)


async def add_events(tx: Tx, rows: Sequence[EventRow]) -> None:
    """Append to the event store."""
    if rows:
        await tx.copy_records_to_table("event", records=rows, columns=_EVENT)


async def save_customers(tx: Tx, rows: Sequence[CustomerRow]) -> None:
    """Write the states of customers, which must come in key order."""
    if rows:
        await tx.execute(_SAVE, _encode(rows).decode())


async def add_transitions(
    tx: Tx, rows: Sequence[TransitionRow], withdrawn: Sequence[Withdrawal]
) -> None:
    """Void what corrections withdraw, then append."""
    if withdrawn:
        await tx.execute(_WITHDRAW, *map(list, zip(*withdrawn, strict=True)))
    if rows:
        await tx.copy_records_to_table("transition", records=rows, columns=_TRANSITION)


async def note_repeated_orders(tx: Tx, orders: Sequence[tuple[int, int]]) -> None:
    """Note orders, by the keys of customer and order, that are told again, or undone before they were told."""
    if orders:
        await tx.execute(_RETELL, *map(list, zip(*sorted(orders), strict=True)))


async def relabel(tx: Tx, rows: Sequence[Relabelled]) -> list[tuple[int, datetime]]:
    """Count the current transitions stored of these customers under what they are now.

    Returns the instants of the first by partition: nothing that figures count lies before a first transition.
    """
    if not rows:
        return []
    return [tuple(row) for row in await tx.fetch(_RELABEL, *map(list, zip(*rows, strict=True)))]


async def add_flows(tx: Tx, counts: Mapping[Flow, int]) -> None:
    """Add to the transitions counted by day, or take away."""
    flows = sorted(flow for flow, n in counts.items() if n)
    if flows:
        await tx.execute(
            _FLOW, *map(list, zip(*flows, strict=True)), [counts[flow] for flow in flows]
        )


async def add_tallies(tx: Tx, counts: Mapping[Tally, int]) -> None:
    """Add to what is counted by day, or take away."""
    tallies = sorted(tally for tally, n in counts.items() if n)
    if tallies:
        await tx.execute(
            _TALLY, *map(list, zip(*tallies, strict=True)), [counts[tally] for tally in tallies]
        )


async def restate(tx: Tx, days: Mapping[tuple[int, date], datetime]) -> None:
    """Note which days, of a partition each, have changed after they were over, at which clock."""
    if days:
        keys = sorted(days)
        await tx.execute(_RESTATE, *map(list, zip(*keys, strict=True)), [days[key] for key in keys])


async def set_timers(tx: Tx, timers: Mapping[str, tuple[int, datetime | None]]) -> None:
    """Write timers (partition and instant by customer) in key order; remove those without an instant."""
    armed = [
        (customer, *timers[customer])
        for customer in sorted(timers)
        if timers[customer][1] is not None
    ]
    disarmed = [customer for customer, (_, due_at) in timers.items() if due_at is None]
    if disarmed:
        await tx.execute(_DISARM, disarmed)
    if armed:
        await tx.execute(_ARM, *map(list, zip(*armed, strict=True)))


async def add_hints(tx: Tx, rows: Sequence[HintRow]) -> list[HintRow]:
    """Note hints as given; returns those that had not been given before, each once, in order.

    A notice is taken back only if it was given.
    """
    told = {row[:3]: row for row in rows}
    backs = [row for row in told.values() if row.name == CHANGE_WITHDRAWN]
    known = await _note(tx, [row for row in told.values() if row.name != CHANGE_WITHDRAWN])
    if backs:
        occasions = list(
            map(list, zip(*((row.customer, row.occasion) for row in backs), strict=True))
        )
        given = {tuple(row) for row in await tx.fetch(_NOTICED, CHANGE_DUE, *occasions)}
        known |= {row[:3] for row in backs if (row.customer, row.occasion) not in given}
        known |= await _note(tx, [row for row in backs if row[:3] not in known])
    return [row for occasion, row in told.items() if occasion not in known]


async def _note(tx: Tx, rows: Sequence[HintRow]) -> set[tuple[str, ...]]:
    """Note hints, each once; returns those that had been given before."""
    if not rows:
        return set()
    customers, names, occasions, instants, _ = map(list, zip(*rows, strict=True))
    return {tuple(row) for row in await tx.fetch(_HINT, customers, names, occasions, instants)}
