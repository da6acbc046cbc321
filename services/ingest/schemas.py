"""What ingest answers."""

from pydantic import BaseModel, Field


class Rejection(BaseModel):
    """One event that was not accepted, by its place in the request."""

    index: int
    id: str | None = Field(description="The event's id, where one could be read.")
    code: str = Field(description="Stable: unreadable, unknown_type, missing, no_zone, invalid, time_in_future, …")
    field: str | None
    message: str


class Receipt(BaseModel):
    """How many events are in the log for good, and which are not and why."""

    accepted: int
    rejected: list[Rejection]
