"""The HTTP API of lists: customers by the page or as a file, and many by their ids."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Send

from services.lifecycle.api.context import Context
from services.lifecycle.api.parameters import Names
from services.lifecycle.domain.state.phases import Phase
from services.lifecycle.lists.filters import Cause, Filters
from services.lifecycle.lists.formats import EXAMPLES, WRITERS, Format, preferred_format
from services.lifecycle.lists.schemas import (
    MAX_VALUE,
    CauseName,
    CustomerPage,
    Lookup,
    LookupAnswer,
)
from services.lifecycle.lists.service import ListService
from shared.errors import FieldError, Problem
from shared.events.fields import Account
from shared.http import Instant, Paging, ProblemKind, problems
from shared.http.streams import StreamSlots, send_end, send_part, send_start

router = APIRouter(prefix="/v1", tags=["lists"])

MAX_EXPORTS: Final = 3
"""At the same time in one process: each holds a connection, and a snapshot that keeps old rows."""
RETRY_AFTER_S: Final = 5

_FILES: Final[dict[str, Any]] = {
    media: {"schema": {"type": "string"}, "example": example} for media, example in EXAMPLES.items()
}
_TOO_MANY: Final = ProblemKind(
    429,
    "too_many_exports",
    "Too many files are being written at the moment: wait for `Retry-After`.",
)


def export_slots() -> StreamSlots:
    """The slots for exports of one process."""
    return StreamSlots(MAX_EXPORTS, _TOO_MANY, retry_after_s=RETRY_AFTER_S)


class Export(StreamingResponse):
    """A file that is written while it is sent. Whatever ends the answer ends the reading, too.

    A failure before the first part is an ordinary error. A later one breaks the connection, so
    that nobody takes the part for the whole.
    """

    def __init__(self, parts: AsyncGenerator[bytes, None], slots: StreamSlots, **how: Any) -> None:
        super().__init__(parts, **how)
        self._parts = parts
        self._slots = slots

    async def stream_response(self, send: Send) -> None:
        """Send part after part, each once the client has taken the one before."""
        with self._slots.take():
            async with aclosing(self._parts) as parts:
                first = await anext(parts)
                await send_start(send, self)
                await send_part(send, first)
                async for part in parts:
                    await send_part(send, part)
        await send_end(send)


class Output:
    """The format that the client prefers, and what a file in it takes."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request: Final = request
        self._headers: Final = response.headers
        self.format: Final = preferred_format(request.headers.get("accept"))
        self._headers["Vary"] = "Accept, Accept-Language"

    def file(self, parts: AsyncGenerator[bytes, None]) -> Export:
        """The answer that sends a file. Raises Problem 422 if a page of it is asked for."""
        self._refuse_paging()
        name = f"customers.{self.format.name.lower()}"
        headers = {**self._headers, "Content-Disposition": f'attachment; filename="{name}"'}
        slots: StreamSlots = self._request.app.state.exports
        return Export(parts, slots, headers=headers, media_type=self.format)

    def _refuse_paging(self) -> None:
        errors = tuple(
            FieldError(name, "is for pages: a file is the whole list")
            for name in ("limit", "cursor")
            if name in self._request.query_params
        )
        if errors:
            detail = f"{errors[0].field}: {errors[0].message}"
            raise Problem(422, "invalid", detail, errors=errors)


async def _service(context: Context) -> ListService:
    return ListService(context)


async def output(request: Request, response: Response) -> Output:
    """What the client wants the list to be sent as."""
    return Output(request, response)


InPhase = Annotated[Phase | None, Query(description="Customers in this phase.")]
SinceBefore = Annotated[
    Instant | None, Query(description="Customers who entered their phase before this instant.")
]
DueBefore = Annotated[
    Instant | None,
    Query(
        description="The next transition by time alone lies before this instant."
        " Parked customers are left out."
    ),
]
MinValue = Annotated[
    int | None,
    Query(
        ge=0,
        le=MAX_VALUE,
        description="`value` of at least so many minor units, whatever its currency:"
        " nothing is converted.",
        examples=[50000],
    ),
]
OfAccount = Annotated[Account | None, Query(description="Customers with this kind of account.")]
AtRiskBy = Annotated[
    CauseName | None,
    Query(
        description="Customers at risk because of this: a kind of cause (`complaint`),"
        " or one (`complaint:77`).",
        examples=["complaint"],
    ),
]


async def filters(
    phase: InPhase = None,
    since_before: SinceBefore = None,
    due_before: DueBefore = None,
    min_value: MinValue = None,
    account: OfAccount = None,
    cause: AtRiskBy = None,
) -> Filters:
    """The filters that the client has set."""
    return Filters(
        phase=phase,
        since_before=since_before,
        due_before=due_before,
        min_value=min_value,
        account=account,
        cause=None if cause is None else Cause.parse(cause),
    )


Service = Annotated[ListService, Depends(_service)]
WantedOutput = Annotated[Output, Depends(output)]
WantedFilters = Annotated[Filters, Depends(filters)]


@router.get(
    "/customers",
    response_model=CustomerPage,
    responses=problems(_TOO_MANY, also={200: {"content": _FILES}}),
)
async def list_customers(
    service: Service, output: WantedOutput, filters: WantedFilters, part: Paging, names: Names
) -> CustomerPage | Response:
    """List the customers who fulfil all filters, in the order of their ids.

    Customers who were merged into others are not listed. A customer who fulfils the filters all
    along is shown exactly once, whatever happens to others between two pages.

    With `Accept: text/csv` or `application/x-ndjson` the whole list comes as a file, as of one
    instant; it takes no `limit` or `cursor`.
    """
    if output.format is Format.JSON:
        return await service.page(filters, part, names)
    return output.file(await service.export(filters, names, WRITERS[output.format]()))


@router.post("/customers/lookup")
async def look_up_customers(body: Lookup, service: Service, names: Names) -> LookupAnswer:
    """Look up as many as 1,000 customers by their ids, in the order asked.

    A merged customer is answered with who it is now.
    """
    return await service.lookup(body.customers, names)
