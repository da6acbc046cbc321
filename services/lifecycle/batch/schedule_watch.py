"""The schedule by which a worker judges, and the customers to be re-armed when it changes."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from services.lifecycle import clocks
from services.lifecycle.batch import repository
from services.lifecycle.batch.rows import RearmingPosition
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.policies import registry
from services.lifecycle.schedule import latest_number, load_schedule
from shared.stream.handler import Reader


@dataclass(slots=True)
class PolicyFile:
    """The policy of a file, if there is one.

    A process brings it into force once, however often its worker begins anew.
    """

    policy: Policy | None
    adopted: bool = False


class ScheduleWatch:
    """Keeps the schedule up to date, and re-arms customers when it changes: so many in a batch.

    To re-arm customers is to judge their states by activations and fits that came after.
    """

    def __init__(self, reader: Reader, file: PolicyFile, *, customers: int) -> None:
        self._reader: Final = reader
        self._file: Final = file
        self._customers: Final = customers
        self._schedule: Schedule | None = None
        self._rearming: dict[int, RearmingPosition] = {}

    def forget(self) -> None:
        """Load everything again: another worker may have gone on."""
        self._schedule = None

    @property
    def unfinished(self) -> Set[int]:
        """The partitions with customers still to be re-armed."""
        return self._rearming.keys()

    async def load_schedule(self) -> Schedule:
        """The schedule in force, with everything that has become known."""
        if not self._file.adopted:
            clock = await clocks.furthest_clock(self._reader)
            await registry.adopt(self._reader, self._file.policy, clock)
            self._file.adopted = True
        if self._schedule is None or self._schedule.known != await latest_number(self._reader):
            self._schedule = await self._load()
        return self._schedule

    async def _load(self) -> Schedule:
        """Load the schedule and the progress; both again if an activation was made in between."""
        while True:
            schedule = await load_schedule(self._reader)
            self._rearming = await repository.unfinished_rearming(self._reader)
            targets = [progress.target for progress in self._rearming.values()]
            if all(target <= schedule.known for target in targets):
                return schedule

    async def next_customers(self, partition: int) -> Sequence[str]:
        """The next customers of a partition to be re-armed, in the order of their ids."""
        after = self._rearming[partition].after
        return await repository.customers_after(self._reader, partition, after, self._customers)

    def advance(self, partition: int, customers: Sequence[str]) -> RearmingPosition:
        """Note that these customers are re-armed; returns how far that is."""
        before = self._rearming[partition]
        progress = before._replace(
            after=customers[-1] if customers else before.after,
            done=before.done + len(customers),
            finished=len(customers) < self._customers,
        )
        if progress.finished:
            del self._rearming[partition]
        else:
            self._rearming[partition] = progress
        return progress
