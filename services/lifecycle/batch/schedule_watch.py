"""By what a worker judges: the schedule of policies, and how far its customers know it."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from services.lifecycle import clocks
from services.lifecycle.batch import repository
from services.lifecycle.batch.repository import Rearming
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.policy.schedule import Schedule
from services.lifecycle.policies import registry
from services.lifecycle.schedule import latest_number, load_schedule
from shared.stream.session import Reader


@dataclass(slots=True)
class PolicyFile:
    """The policy of a file, if there is one, brought into force once by a process, however often it begins anew."""

    policy: Policy | None
    adopted: bool = False


class Judging:
    """The schedule as the database has it, and the customers still to be told of it, so many in a batch."""

    def __init__(self, reader: Reader, file: PolicyFile, *, customers: int) -> None:
        self._reader: Final = reader
        self._file: Final = file
        self._customers = customers
        self._schedule: Schedule | None = None
        self._rearming: dict[int, Rearming] = {}

    def forget(self) -> None:
        """Somebody else may have told them."""
        self._schedule = None

    @property
    def unfinished(self) -> Set[int]:
        """The partitions with customers still to be told."""
        return self._rearming.keys()

    async def look_up(self) -> Schedule:
        """The schedule in force, with everything that has become known."""
        if not self._file.adopted:
            await registry.adopt(
                self._reader, self._file.policy, await clocks.furthest_clock(self._reader)
            )
            self._file.adopted = True
        if self._schedule is None or self._schedule.known != await latest_number(self._reader):
            self._schedule = await self._load()
        return self._schedule

    async def _load(self) -> Schedule:
        """The schedule, and who is still to be told of it: both anew if another activation was made in between."""
        while True:
            schedule = await load_schedule(self._reader)
            self._rearming = await repository.rearming(self._reader)
            if all(rearming.target <= schedule.known for rearming in self._rearming.values()):
                return schedule

    async def next_customers(self, partition: int) -> Sequence[str]:
        """The next of a partition, in the order of their ids."""
        return await repository.customers_after(
            self._reader, partition, self._rearming[partition].after, self._customers
        )

    def done(self, partition: int, customers: Sequence[str]) -> Rearming:
        """These know it now: how far that is."""
        before = self._rearming[partition]
        after = customers[-1] if customers else before.after
        now = Rearming(
            partition,
            before.target,
            after,
            before.done + len(customers),
            len(customers) < self._customers,
        )
        if now.finished:
            del self._rearming[partition]
        else:
            self._rearming[partition] = now
        return now
