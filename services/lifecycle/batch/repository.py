"""What a batch reads and writes: at most one statement for each table and purpose."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from services.lifecycle.batch.entry import CustomerEntry
from services.lifecycle.batch.rows import (
    CustomerRow,
    DueRange,
    EventRow,
    HintRow,
    OrderVersionRow,
    RemarkRow,
    RenewedEvent,
    StoredLife,
    TransitionRow,
    Withdrawal,
)
from services.lifecycle.codecs import decode_customer, decode_merges, decode_transition
from services.lifecycle.domain.hints import CHANGE_DUE, CHANGE_WITHDRAWN
from services.lifecycle.domain.state.merges import NO_MERGES, Merges
from shared.database.columns import columns_of, execute_rows
from shared.database.connection import Tx
from shared.errors import Retryable
from shared.identities import Merge

_encode: Final = msgspec.json.Encoder().encode

EVENT_COLUMNS: Final = (
    "customer_key",
    "event_key",
    "order_key",
    "time",
    "recorded_at",
    "type",
    "amount",
    "currency",
    "body",
)
ORDER_VERSION_COLUMNS: Final = (
    "customer_key",
    "order_key",
    "store_key",
    "at",
    "bought_at",
    "amount",
    "currency",
    "stands",
)
TRANSITION_COLUMNS: Final = (
    "customer",
    "version",
    "position",
    "from_phase",
    "to_phase",
    "rule",
    "occurred_at",
    "recorded_at",
    "since",
    "body",
)

_LOAD: Final = """
SELECT c.customer, c.partition, c.version, c.state, c.parked, c.merges, t.due_at
FROM customer AS c LEFT JOIN timer AS t USING (customer) WHERE c.customer = ANY($1::text[])
"""
_EVENT_KEYS: Final = """
SELECT customer_key, event_key, order_key FROM event WHERE customer_key = ANY($1::bigint[])
"""
_EVENTS: Final = """
SELECT customer_key, body FROM event WHERE customer_key = ANY($1::bigint[])
"""
_EVENT: Final = "SELECT body FROM event WHERE customer_key = $1 AND event_key = $2"
_TRANSITIONS: Final = """
SELECT customer, body FROM transition
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
INSERT INTO customer (
    customer, partition, version, key, state,
    phase, parked, merged_into, merges, signed_up_at, activated_at,
    account, since, first_order_at, causes,
    value, currency, magnitude
)
SELECT customer, partition, version, key, state,
    phase, parked, merged_into, merges, signed_up_at, activated_at,
    account, since, first_order_at, coalesce(causes, '{}'),
    coalesce(value, 0), currency, coalesce(magnitude, 0)
FROM json_to_recordset($1::json) AS row (
    customer text, partition int, version bigint, key bigint, state json,
    phase text, parked text, merged_into text, merges json,
    signed_up_at timestamptz, activated_at timestamptz,
    account text, since timestamptz, first_order_at timestamptz, causes text[],
    value bigint, currency text, magnitude smallint
)
ON CONFLICT (customer) DO UPDATE SET
    version = excluded.version, state = excluded.state,
    phase = excluded.phase, parked = excluded.parked, merged_into = excluded.merged_into,
    merges = excluded.merges,
    signed_up_at = excluded.signed_up_at, activated_at = excluded.activated_at,
    account = excluded.account, since = excluded.since,
    first_order_at = excluded.first_order_at, causes = excluded.causes,
    value = excluded.value, currency = excluded.currency, magnitude = excluded.magnitude
"""
_REMOVE_EVENTS: Final = """
DELETE FROM event AS e USING unnest($1::bigint[], $2::bigint[]) AS gone(customer_key, event_key)
WHERE (e.customer_key, e.event_key) = (gone.customer_key, gone.event_key)
"""
_RENEW_EVENTS: Final = """
UPDATE event AS e SET body = n.body
FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS n(customer_key, event_key, body)
WHERE (e.customer_key, e.event_key) = (n.customer_key, n.event_key)
"""
_DROP_ORDER_VERSIONS: Final = "DELETE FROM order_version WHERE customer_key = ANY($1::bigint[])"
_ADD_ORDER_VERSIONS: Final = f"""
INSERT INTO order_version ({", ".join(ORDER_VERSION_COLUMNS)})
SELECT * FROM unnest(
    $1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[], $5::timestamptz[],
    $6::bigint[], $7::text[], $8::boolean[]
)
ON CONFLICT (customer_key, order_key, store_key, at) DO UPDATE SET
    bought_at = excluded.bought_at, amount = excluded.amount, currency = excluded.currency,
    stands = excluded.stands
"""  # noqa: S608  (constants)
_DROP_REMARKS: Final = "DELETE FROM remark WHERE customer_key = ANY($1::bigint[])"
_ADD_REMARKS: Final = """
INSERT INTO remark (customer_key, event_key, reason, waits)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::boolean[])
ON CONFLICT (customer_key, event_key) DO UPDATE
SET reason = excluded.reason, waits = excluded.waits
"""
_WITHDRAW: Final = """
UPDATE transition AS t SET withdrawn = w.by, withdrawn_at = w.at
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[])
    AS w(customer, version, by, at)
WHERE t.customer = w.customer AND t.version = w.version AND t.withdrawn IS NULL
"""
_ARM: Final = """
INSERT INTO timer (customer, partition, due_at)
SELECT * FROM unnest($1::text[], $2::int[], $3::timestamptz[])
ON CONFLICT (customer) DO UPDATE SET due_at = excluded.due_at
"""
_DISARM: Final = "DELETE FROM timer WHERE customer = ANY($1::text[])"
_ADD_HINTS: Final = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
        AS g(customer, name, occasion, at)
), new AS (
    INSERT INTO hint (customer, name, occasion, at) SELECT * FROM given
    ON CONFLICT DO NOTHING RETURNING customer, name, occasion
)
SELECT customer, name, occasion FROM given EXCEPT SELECT * FROM new
"""
_NOTICES: Final = """
SELECT customer, occasion FROM hint
JOIN unnest($2::text[], $3::text[]) AS asked(customer, occasion) USING (customer, occasion)
WHERE name = $1
"""
_MERGES: Final = "SELECT merges FROM customer WHERE customer = $1"
_LOCK_MERGING: Final = "SELECT pg_advisory_xact_lock(hashtextextended('lifecycle.merging', 0))"


async def load_customers(connection: Tx, customers: Sequence[str]) -> list[CustomerEntry]:
    """Load the states and event keys of those customers that are stored."""
    rows = await connection.fetch(_LOAD, customers)
    entries = [
        CustomerEntry(
            row["customer"],
            row["partition"],
            decode_customer(row["state"]),
            row["version"],
            row["parked"],
            NO_MERGES if row["merges"] is None else decode_merges(row["merges"]),
            row["due_at"],
        )
        for row in rows
    ]
    if entries:
        await _load_event_keys(connection, entries)
    return entries


async def _load_event_keys(connection: Tx, entries: Iterable[CustomerEntry]) -> None:
    by_key = {entry.key: entry for entry in entries}
    for row in await connection.fetch(_EVENT_KEYS, list(by_key)):
        entry = by_key[row["customer_key"]]
        entry.event_keys.add(row["event_key"])
        if row["order_key"] is not None:
            entry.order_keys.add(row["order_key"])


async def load_lives(connection: Tx, entries: Sequence[CustomerEntry]) -> dict[str, StoredLife]:
    """Load everything stored of customers, by id.

    Hashes may collide: whoever reads the events checks their subject.
    """
    lives = {entry.id: StoredLife([], []) for entry in entries}
    by_key = {entry.key: lives[entry.id] for entry in entries}
    for row in await connection.fetch(_EVENTS, list(by_key)):
        by_key[row["customer_key"]].events.append(row["body"])
    for row in await connection.fetch(_TRANSITIONS, list(lives)):
        lives[row["customer"]].transitions.append(decode_transition(row["body"]))
    return lives


async def load_event(connection: Tx, customer_key: int, event_key: int) -> bytes | None:
    """Load the record of one stored event."""
    body: bytes | None = await connection.fetchval(_EVENT, customer_key, event_key)
    return body


async def due_customers(
    connection: Tx, ranges: Sequence[DueRange], limit: int
) -> list[tuple[str, int]]:
    """Find customers, with their partition, that may have a deadline due.

    They come in the order of partition and instant.
    """
    partitions, after, until = zip(*ranges, strict=True)
    return [tuple(row) for row in await connection.fetch(_DUE, partitions, after, until, limit)]


async def load_circle(
    connection: Tx, customer: str, known: Mapping[str, Merges]
) -> tuple[Merge, ...]:
    """Load the merges that lead from the customer round to it again; none if they do not.

    Those of the ids that are `known` are not looked up.
    """
    path: dict[str, Merge] = {}
    id: str | None = customer
    while id is not None and id not in path:
        merges = known.get(id) or await _load_merges(connection, id)
        merge = merges.holding
        if merge is not None:
            path[id] = merge
        id = None if merge is None else merge.into
    return tuple(path.values()) if id == customer else ()


async def _load_merges(connection: Tx, customer: str) -> Merges:
    stored = await connection.fetchval(_MERGES, customer)
    return NO_MERGES if stored is None else decode_merges(stored)


async def lock_merging(tx: Tx) -> None:
    """Let one batch merge at a time: two could close a circle that neither of them sees."""
    await tx.execute(_LOCK_MERGING)


async def confirm_circles(tx: Tx, circles: Mapping[str, Sequence[Merge]]) -> None:
    """Raise Retryable unless the merges of these customers lead round in just these circles.

    If another worker has changed them, the batch is folded again.
    """
    for customer, circle in circles.items():
        if await load_circle(tx, customer, {}) != circle:
            raise Retryable("another worker has merged customers in a circle with these")


async def add_events(tx: Tx, rows: Sequence[EventRow]) -> None:
    """Append to the event store."""
    if rows:
        await tx.copy_records_to_table("event", records=rows, columns=EVENT_COLUMNS)


async def remove_events(tx: Tx, keys: Sequence[tuple[int, int]]) -> None:
    """Remove events, by the keys of customer and event, whose merge is over."""
    await execute_rows(tx, _REMOVE_EVENTS, sorted(keys))


async def renew_events(tx: Tx, rows: Sequence[RenewedEvent]) -> None:
    """Replace the records of events that have come again by a newer merge."""
    await execute_rows(tx, _RENEW_EVENTS, sorted(rows))


async def save_customers(tx: Tx, rows: Sequence[CustomerRow]) -> None:
    """Write the states of customers, which must come in the order of their ids."""
    if rows:
        await tx.execute(_SAVE, _encode(rows).decode())


async def add_transitions(
    tx: Tx, rows: Sequence[TransitionRow], withdrawn: Sequence[Withdrawal]
) -> None:
    """Void what corrections withdraw, then append."""
    await execute_rows(tx, _WITHDRAW, withdrawn)
    if rows:
        await tx.copy_records_to_table("transition", records=rows, columns=TRANSITION_COLUMNS)


async def save_order_versions(
    tx: Tx, refolded: Collection[int], versions: Iterable[OrderVersionRow]
) -> None:
    """Write the versions of changed orders; those of customers folded anew replace all before."""
    if refolded:
        await tx.execute(_DROP_ORDER_VERSIONS, list(refolded))
    await execute_rows(tx, _ADD_ORDER_VERSIONS, sorted(versions))


async def save_remarks(tx: Tx, refolded: Collection[int], remarks: Sequence[RemarkRow]) -> None:
    """Write which events have had no effect; those of customers folded anew replace all before."""
    if refolded:
        await tx.execute(_DROP_REMARKS, sorted(refolded))
    await execute_rows(tx, _ADD_REMARKS, sorted(remarks))


async def set_timers(tx: Tx, timers: Mapping[str, tuple[int, datetime | None]]) -> None:
    """Write timers: partition and instant by customer; None removes the timer."""
    armed = []
    disarmed = []
    for customer in sorted(timers):
        partition, due_at = timers[customer]
        if due_at is None:
            disarmed.append(customer)
        else:
            armed.append((customer, partition, due_at))
    if disarmed:
        await tx.execute(_DISARM, disarmed)
    await execute_rows(tx, _ARM, armed)


async def add_hints(tx: Tx, rows: Sequence[HintRow]) -> list[HintRow]:
    """Note hints as given; return those that had not been given before, each once, in order.

    A notice is withdrawn only if it was given.
    """
    hints = {row[:3]: row for row in rows}
    withdrawals = [row for row in hints.values() if row.name == CHANGE_WITHDRAWN]
    dropped = await _add_new(tx, [row for row in hints.values() if row.name != CHANGE_WITHDRAWN])
    if withdrawals:
        occasions = [(row.customer, row.occasion) for row in withdrawals]
        notices = {
            tuple(row) for row in await tx.fetch(_NOTICES, CHANGE_DUE, *columns_of(occasions, 2))
        }
        noticed = [row for row in withdrawals if (row.customer, row.occasion) in notices]
        dropped |= {row[:3] for row in withdrawals} - {row[:3] for row in noticed}
        dropped |= await _add_new(tx, noticed)
    return [row for identity, row in hints.items() if identity not in dropped]


async def _add_new(tx: Tx, rows: Sequence[HintRow]) -> set[tuple[str, ...]]:
    """Note hints, each once; return the identities of those that had been given before."""
    if not rows:
        return set()
    customers, names, occasions, instants, _ = columns_of(rows, 5)
    return {tuple(row) for row in await tx.fetch(_ADD_HINTS, customers, names, occasions, instants)}
