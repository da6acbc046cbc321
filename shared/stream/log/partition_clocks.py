"""The clocks of the partitions owned: what moves them, and the imports that hold deadlines back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from shared.clock import monotonic
from shared.events.envelope import CLOCK_TICKED, IMPORT_FINISHED, IMPORT_STARTED, Envelope
from shared.stream.batch import Portion
from shared.stream.log.ownership import Checkpoint, Claim

IMPORT_IDLE_S: Final = 3600.0


class PartitionClocks:
    """In log time the least tick of `tick_topics` moves a clock; in wall time they are None."""

    def __init__(self, claims: Mapping[int, Claim], tick_topics: Sequence[str] | None) -> None:
        self._claims = claims
        self._tick_topics = tick_topics
        self._wall: dict[int, datetime] = {}
        self._import_progress: dict[int, float] = {}

    def set_wall(self, partition: int, at: datetime) -> None:
        """Let deadlines fire until `at`, in wall time: everything until then has been fetched."""
        self._wall[partition] = at

    def next_tick(self, claim: Claim) -> datetime | None:
        """Return the instant to which a partition's clock may move on, if it may."""
        if self._tick_topics is None:
            tick = self._wall.get(claim.partition)
        else:
            tick = _least_tick(claim, self._tick_topics)
        return tick if tick is not None and tick > claim.clock else None

    def any_tick(self) -> bool:
        """Can any partition's clock move on?"""
        return any(self.next_tick(claim) for claim in self._claims.values())

    def is_behind_tick(self, topic: str, claim: Claim) -> bool:
        """Must the topic's records wait until the deadlines of its last tick have fired?"""
        if self._tick_topics is None or topic not in self._tick_topics:
            return False
        ticked = claim.checkpoints[topic].ticked
        return ticked is not None and ticked > claim.clock

    def applied(self, portion: Portion) -> None:
        """Move the clock to where a portion that has been folded has moved it."""
        move = portion.clock_move()
        claim = self._claims[portion.partition]
        claim.clock = move.clock
        claim.import_began = move.import_began
        if self._wall.get(portion.partition) == move.clock:
            del self._wall[portion.partition]

    def apply_control(
        self, event: Envelope, portion: Portion, checkpoint: Checkpoint, appended_at: datetime
    ) -> None:
        """Apply a tick, or the beginning or the end of a history import."""
        claim = self._claims[portion.partition]
        if event.type == CLOCK_TICKED:
            checkpoint.ticked = max(event.time, checkpoint.ticked or event.time)
        elif event.type == IMPORT_STARTED and not claim.import_open:
            # In wall time the clock may lag far behind the log: an import begins when its
            # record was appended.
            claim.import_began = claim.clock if self._tick_topics else max(claim.clock, appended_at)
            claim.import_open = True
        elif event.type == IMPORT_FINISHED:
            claim.import_open = False
        portion.import_began = claim.import_began
        portion.import_open = claim.import_open

    def note_progress(self, partition: int) -> None:
        """Records of the partition have been read, perhaps of an import."""
        self._import_progress[partition] = monotonic()

    def end_idle_imports(self) -> None:
        """End history imports without progress for an hour, whatever became of their senders."""
        for partition, claim in self._claims.items():
            since = self._import_progress.setdefault(partition, monotonic())
            if claim.import_open and monotonic() - since > IMPORT_IDLE_S:
                claim.import_open = False


def _least_tick(claim: Claim, topics: Sequence[str]) -> datetime | None:
    """Return the least tick seen on the topics; None while one of them has had none."""
    ticks = [claim.checkpoints[topic].ticked for topic in topics]
    seen = [tick for tick in ticks if tick is not None]
    return min(seen) if len(seen) == len(ticks) else None
