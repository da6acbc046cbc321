"""The changes that followers read instead of the topic, compared with the topic."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from shared.events.envelope import Envelope, decode
from tests.support.pipeline import rows


async def verify_changes(database: str, on_topic: Mapping[int, Sequence[Envelope]]) -> None:
    """Verify that each partition's changes are its records, numbered from 1.

    A record that was published twice is one change, where it came first.
    """
    numbers = defaultdict[int, list[int]](list)
    changes = defaultdict[int, list[Envelope]](list)
    for partition, number, body in await rows(
        database, "SELECT partition, seq, body FROM lifecycle.change ORDER BY 1, 2"
    ):
        numbers[partition].append(number)
        changes[partition].append(decode(body))
    for partition, records in on_topic.items():
        once = list({record.id: record for record in records if record.subject}.values())
        ids = [record.id for record in changes[partition]]
        assert ids == [record.id for record in once], (
            f"of partition {partition} other changes than records"
        )
        assert changes[partition] == once, (
            f"of partition {partition} changes that say something else"
        )
        assert numbers[partition] == list(range(1, len(once) + 1)), (
            f"of partition {partition} numbers with gaps"
        )
