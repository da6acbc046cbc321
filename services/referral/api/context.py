"""What the routes of all nouns share: the database, the program's terms, and the clocks."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response

from services.referral.announcements import Announcer
from services.referral.clocks import partition_clock
from services.referral.domain.terms import Terms
from shared.clock import CLOCK_START, ClockMode
from shared.database.connection import Pool, Tx
from shared.errors import FieldError, Problem
from shared.events.customer_ids import NoCustomers

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What every service object of the API needs."""

    pool: Pool
    terms: Terms
    announcer: Announcer
    clock_mode: ClockMode
    no_customers: NoCustomers
    code_secret: bytes = field(repr=False)

    def require_customer(self, field: str, id: str) -> None:
        """Raise Problem 422 "not_a_customer_id" for what ingest takes for nobody, too."""
        if id == id.strip() and id not in self.no_customers:
            return
        detail = f"{field} is blank, begins or ends with white space, or stands for no customer."
        raise Problem(422, "not_a_customer_id", detail, errors=(FieldError(field, detail),))

    async def clock(self, source: Pool | Tx, customer: str) -> datetime:
        """The clock of the customer's partition."""
        return await partition_clock(source, self.announcer.partition(customer))

    async def started_clock(self, tx: Tx, customer: str) -> datetime:
        """The same. Raises Problem 503 "clock_not_started" before its first tick in real time."""
        clock = await self.clock(tx, customer)
        if clock == CLOCK_START and self.clock_mode is ClockMode.WALL:
            detail = "No worker has read this partition's clock yet."
            raise Problem(503, "clock_not_started", detail, retry_after=1)
        return clock


async def api_context(request: Request) -> ApiContext:
    """The context of this process."""
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(api_context)]


def created(response: Response, outcome: tuple[V, bool]) -> V:
    """The view of an outcome (view, is new); what is not new is answered with 200, not 201."""
    view, is_new = outcome
    if not is_new:
        response.status_code = 200
    return view
