"""What followers read instead of the topic, against the topic."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from shared.events.envelope import Envelope, decode
from tests.support.pipeline import rows


async def verify_kept(database: str, on_topic: Mapping[int, Sequence[Envelope]]) -> None:
    """Each partition's changes are its records in their order, each once where it came first, numbered from 1."""
    numbers, kept = defaultdict[int, list[int]](list), defaultdict[int, list[Envelope]](list)
    for partition, number, body in await rows(
        database, "SELECT partition, seq, body FROM lifecycle.change ORDER BY 1, 2"
    ):
        numbers[partition].append(number)
        kept[partition].append(decode(body))
    for partition, records in on_topic.items():
        once = list({record.id: record for record in records if record.subject}.values())
        named = [record.id for record in kept[partition]]
        assert named == [record.id for record in once], (
            f"of partition {partition} other changes than records"
        )
        assert kept[partition] == once, f"of partition {partition} changes that say something else"
        assert numbers[partition] == list(range(1, len(once) + 1)), (
            f"of partition {partition} numbers with gaps"
        )
