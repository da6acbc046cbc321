"""The partitions that a service's workers read: how far each is, and why it has stopped."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from shared.database.connection import Pool
from shared.http.pages import Page, Paging
from shared.instants import Instant
from shared.stream.log.checkpoints import StoredPartition, load_partitions

router = APIRouter(prefix="/v1", tags=["operations"])


class PartitionState(BaseModel):
    """How far a service has applied a partition of a topic."""

    topic: str = Field(description="The topic.", examples=["customer-events.v1"])
    partition: int = Field(description="The number of the partition.", examples=[3])
    next_offset: int = Field(
        description="The position in the log of what is applied next.", examples=[1042]
    )
    stopped: str | None = Field(
        description="Why the partition has stopped, until an operator resumes it (`stammkunde "
        "resume`); null while it is read.",
        examples=["100 dead letters in a row"],
    )
    clock: Instant = Field(
        description="The partition's clock: deadlines up to here have been applied."
    )
    epoch: int = Field(
        description="The number of times that a worker has taken the partition over, or that an "
        "operator has fenced it off.",
        examples=[4],
    )

    @classmethod
    def of(cls, row: StoredPartition) -> "PartitionState":
        """The state as it is stored."""
        return cls(
            topic=row.topic,
            partition=row.partition,
            next_offset=row.next_offset,
            stopped=row.stopped,
            clock=row.clock,
            epoch=row.epoch,
        )


class PartitionPage(Page[PartitionState]):
    """Partitions, by topic and number."""


async def _pool(request: Request) -> Pool:
    pool: Pool = request.app.state.context.pool
    return pool


@router.get("/partitions")
async def list_partitions(part: Paging, pool: Annotated[Pool, Depends(_pool)]) -> PartitionPage:
    """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
    rows = await load_partitions(pool, after=part.after(str, int), limit=part.limit + 1)
    page = Page.of(rows, part, key=lambda row: (row.topic, row.partition), view=PartitionState.of)
    return PartitionPage(items=page.items, next_cursor=page.next_cursor)
