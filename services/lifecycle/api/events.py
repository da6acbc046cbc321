"""What the lifecycle API shows of events."""

from datetime import datetime
from typing import Any, Self

import msgspec
from pydantic import BaseModel, Field

from services.lifecycle.api.fields import LAST_ORDER
from shared.events.envelope import Envelope
from shared.http import Instant


class EventView(BaseModel):
    """One event of the customer."""

    type: str = Field(
        description="What happened: a type of the catalogue.", examples=["order.completed"]
    )
    time: Instant = Field(description="When it happened.", examples=[LAST_ORDER])
    recorded_at: Instant = Field(
        description="The clock of the customer's partition when it was recorded."
    )
    source: str = Field(description="Who sent it.", examples=["/shop"])
    id: str = Field(description="Its id.", examples=["o-1001"])
    historical: bool = Field(description="From an import of history.")
    merged_from: str | None = Field(
        description="The other id under which the event came in, if its customer was merged into"
        " this one; null: none.",
        examples=["customer-0"],
    )
    data: Any = Field(
        description="What the event says, by type as in `GET /v1/event-types` of ingest.",
        examples=[{"order_id": "o-1001", "total": {"amount": 5990, "currency": "EUR"}}],
    )

    @classmethod
    def of(cls, event: Envelope, recorded_at: datetime) -> Self:
        """Make the view of a stored event."""
        return cls.model_validate(
            {
                "type": event.type,
                "time": event.time,
                "recorded_at": recorded_at,
                "source": event.source,
                "id": event.id,
                "historical": event.historical,
                "merged_from": event.mergedfrom,
                "data": msgspec.json.decode(event.data),
            }
        )
