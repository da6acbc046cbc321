"""The schedule by which a worker judges, and who is to be re-armed when it or the rules change."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from services.lifecycle import clocks
from services.lifecycle.batch.rearming.repository import customers_after, unfinished_positions
from services.lifecycle.batch.rows import RearmingPosition
from services.lifecycle.domain import edition
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.policies import registry
from services.lifecycle.schedule import latest_number, load_schedule
from shared.stream.handler import Reader


@dataclass(slots=True)
class PolicyFile:
    """The policy of a file, if there is one.

    A process brings it into force once, however often its worker is restarted.
    """

    policy: Policy | None
    adopted: bool = False


class ScheduleWatch:
    """Keeps the schedule up to date, and remembers who is still to be re-armed after a change.

    To re-arm customers is to judge their states by activations and fits that came after, and by
    the rules of this process where those are another edition. `limit` customers are re-armed in
    one batch.
    """

    def __init__(self, reader: Reader, file: PolicyFile, *, partitions: int, limit: int) -> None:
        self._reader: Final = reader
        self._file: Final = file
        self._partitions: Final = partitions
        self._limit: Final = limit
        self._schedule: Schedule | None = None
        self._rearming: dict[int, RearmingPosition] = {}

    def forget(self) -> None:
        """Load everything again: another worker may have gone on."""
        self._schedule = None

    @property
    def unfinished(self) -> Set[int]:
        """The partitions with customers still to be re-armed."""
        return self._rearming.keys()

    async def current_schedule(self) -> Schedule:
        """Return the schedule with everything known by now; reload it only if something is new."""
        if not self._file.adopted:
            clock = await clocks.furthest_clock(self._reader)
            await registry.adopt(self._reader, self._file.policy, clock)
            self._file.adopted = True
        if self._schedule is None or self._schedule.known != await latest_number(self._reader):
            self._schedule = await self._load()
        return self._schedule

    async def _load(self) -> Schedule:
        """Load the schedule and the positions; both again if an activation came in between."""
        while True:
            schedule = await load_schedule(self._reader)
            self._rearming = await unfinished_positions(
                self._reader,
                partitions=self._partitions,
                known=schedule.known,
                edition=edition.EDITION,
            )
            targets = [position.target for position in self._rearming.values()]
            if all(target <= schedule.known for target in targets):
                return schedule

    async def next_customers(self, partition: int) -> Sequence[str]:
        """Find the next customers of a partition to be re-armed, in the order of their ids."""
        after = self._rearming[partition].after
        return await customers_after(self._reader, partition, after, self._limit)

    def advance(self, partition: int, customers: Sequence[str]) -> RearmingPosition:
        """Note that these customers are re-armed; returns the position reached."""
        before = self._rearming[partition]
        done = before.done + len(customers)
        position = before._replace(
            after=customers[-1] if customers else before.after,
            done=done,
            total=max(before.total, done),
            finished=len(customers) < self._limit,
        )
        if position.finished:
            del self._rearming[partition]
        else:
            self._rearming[partition] = position
        return position
