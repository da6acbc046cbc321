"""Every message that was committed to an outbox, compared with what is on the topics."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

import asyncpg

from shared.events.envelope import Envelope, decode
from shared.processes import CONSUMERS
from tests.support.pipeline import published, rows

_NOTE: Final = """
CREATE SCHEMA fault;
CREATE TABLE fault.announced (
    number bigint GENERATED ALWAYS AS IDENTITY, topic text NOT NULL, body bytea NOT NULL
);
CREATE FUNCTION fault.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
    'BEGIN
        INSERT INTO fault.announced (topic, body) VALUES (NEW.topic, NEW.body);
        RETURN NULL;
    END';
"""
_WATCH: Final = (
    "CREATE TRIGGER note AFTER INSERT ON {}.outbox FOR EACH ROW EXECUTE FUNCTION fault.note()"
)
_ANNOUNCED: Final = "SELECT body FROM fault.announced WHERE topic = $1 ORDER BY number"
SOURCES: Final = {f"/{service}" for service in CONSUMERS}
REQUESTS: Final = {"review.requested", "reactivation.regrouped"}
"""Only ask an owner to look again; they are sent again if their cause comes again."""
SENT_ON: Final = {"reward.determined"}
"""Goes to the one who stays, and back after an unmerge: then it comes to one id twice."""


async def record_announcements(database: str) -> None:
    """Keep a copy, in the database, of all that goes through its outboxes from now on."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(_NOTE)
        for service in CONSUMERS:
            await connection.execute(_WATCH.format(service))
    finally:
        await connection.close()


async def received(bootstrap: str, topic: str) -> list[Envelope]:
    """Return the records of a topic as a consumer has them that drops known ids.

    A worker that is killed after producing produces again: the repeat must be the same record.
    Requests are left out.
    """
    seen: dict[tuple[object, ...], Envelope] = {}
    for event in await published(bootstrap, topic):
        if event.type in REQUESTS:
            continue
        identity = event.subject, event.source, event.id, event.mergedfrom, event.mergedvia
        first = seen.setdefault(identity, event)
        assert first == event or event.type in SENT_ON, f"one id, two contents: {first} {event}"
    return list(seen.values())


async def verify_announced(bootstrap: str, database: str, topic: str) -> list[Envelope]:
    """Verify that everything was announced once, and that nothing else is on the topic.

    Returns what our services have announced, in that order, which the topic has only within a
    partition.
    """
    decoded = [decode(row["body"]) for row in await rows(database, _ANNOUNCED, topic)]
    events = [event for event in decoded if event.subject and event.type not in REQUESTS]
    announced = Counter(event.id for event in events if event.type not in SENT_ON)
    on_topic = await received(bootstrap, topic)
    found = {event.id for event in on_topic if event.source in SOURCES}
    doubled = [number for number, count in announced.items() if count > 1]
    assert not doubled, f"announced twice on {topic}: {_named(on_topic, doubled)}"
    missing = announced.keys() - found
    assert not missing, f"missing on {topic}: {len(missing)} records"
    sent_on = {event.id for event in events if event.type in SENT_ON}
    unknown = found - announced.keys() - sent_on
    assert not unknown, f"never announced on {topic}: {_named(on_topic, unknown)}"
    return events


def _named(events: list[Envelope], ids: Collection[str]) -> list[tuple[str, str, str]]:
    return [(event.subject, event.type, event.id) for event in events if event.id in ids][:3]


def difference(found: Mapping[Any, Any], expected: Mapping[Any, Any]) -> list[tuple[Any, Any, Any]]:
    """Return the first three keys that differ, with both values."""
    keys = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    return [(key, found.get(key), expected.get(key)) for key in keys[:3]]
