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
from services.lifecycle.lists import service as answering
from services.lifecycle.lists.filters import Cause, Filters
from services.lifecycle.lists.formats import EXAMPLES, WRITERS, Format, preferred
from services.lifecycle.lists.schemas import (
    MOST_VALUE,
    Account,
    CauseName,
    CustomerPage,
    Lookup,
    LookupAnswer,
)
from shared.errors import FieldError, Problem
from shared.http import Instant, Paging, ProblemKind, Slice, problems
from shared.http.streams import StreamSlots, send_part

router = APIRouter(prefix="/v1", tags=["lists"])

MOST_EXPORTS: Final = 3
"""At the same time in one process: each holds a connection, and a snapshot that keeps old rows alive."""
RETRY_AFTER_S: Final = 5

_FILES: Final[dict[str, Any]] = {
    media: {"schema": {"type": "string"}, "example": example} for media, example in EXAMPLES.items()
}
_TOO_MANY: Final = ProblemKind(
    429, "too_many_exports", "As many files as can be are being written: wait for `Retry-After`."
)


def places() -> StreamSlots:
    """For the files of a process."""
    return StreamSlots(MOST_EXPORTS, _TOO_MANY, retry_after_s=RETRY_AFTER_S)


class Export(StreamingResponse):
    """A file that is made while it is sent. Whatever ends the answer ends the reading too.

    A failure before the first part is an ordinary error; a later one breaks the connection off, so that nobody takes
    the part for the whole.
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
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
                await send_part(send, first)
                async for part in parts:
                    await send_part(send, part)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _filters(
    phase: Annotated[Phase | None, Query(description="In this phase.")] = None,
    since_before: Annotated[
        Instant | None, Query(description="In the phase since before this instant.")
    ] = None,
    due_before: Annotated[
        Instant | None,
        Query(
            description="The next transition by time alone lies before this instant. Parked customers are left out."
        ),
    ] = None,
    min_value: Annotated[
        int | None,
        Query(
            ge=0,
            le=MOST_VALUE,
            description="`value` of at least so many minor units, whatever its currency: nothing is converted.",
            examples=[50000],
        ),
    ] = None,
    account: Annotated[Account | None, Query(description="Of this kind of account.")] = None,
    cause: Annotated[
        CauseName | None,
        Query(
            description="At risk because of this: a kind of cause (`complaint`), or one (`complaint:77`).",
            examples=["complaint"],
        ),
    ] = None,
) -> Filters:
    return Filters(
        phase,
        since_before,
        due_before,
        min_value,
        account,
        None if cause is None else Cause.parse(cause),
    )


Wanted = Annotated[Filters, Depends(_filters)]


def _after(part: Slice) -> str:
    """The customer behind whom a page begins: of any id that a worker takes, which may be none that a path takes."""
    (after,) = part.after(str) or ("",)
    return str(after)


@router.get(
    "/customers",
    response_model=CustomerPage,
    responses=problems(_TOO_MANY, also={200: {"content": _FILES}}),
)
async def list_customers(
    request: Request,
    response: Response,
    context: Context,
    wanted: Wanted,
    part: Paging,
    names: Names,
) -> CustomerPage | Response:
    """Customers who fulfil all filters, in the order of their ids; those who were merged into others are not listed.

    Who is in the list all along is shown exactly once, whatever happens to others between two pages.

    With `Accept: text/csv` or `application/x-ndjson` the whole list comes as a file, all of it as of one instant, and
    takes no `limit` or `cursor`.
    """
    schedule = await context.schedule()
    wish = preferred(request.headers.get("accept"))
    response.headers["Vary"] = "Accept, Accept-Language"
    if wish is Format.JSON:
        after = _after(part)
        async with answering.answering(context.pool, schedule, names) as answer:
            return await answering.page(answer, wanted, after, part.limit)
    _refuse_paging(request)
    parts = answering.export(context.pool, schedule, names, wanted, WRITERS[wish]())
    headers = {
        **response.headers,
        "Content-Disposition": f'attachment; filename="customers.{wish.name.lower()}"',
    }
    return Export(parts, request.app.state.exports, headers=headers, media_type=wish)


def _refuse_paging(request: Request) -> None:
    wrong = [
        FieldError(name, "is for pages: a file is the whole list") for name in ("limit", "cursor")
    ]
    wrong = [error for error in wrong if error.field in request.query_params]
    if wrong:
        raise Problem(422, "invalid", f"{wrong[0].field}: {wrong[0].message}", errors=tuple(wrong))


@router.post("/customers/lookup")
async def look_up_customers(body: Lookup, context: Context, names: Names) -> LookupAnswer:
    """Up to 1,000 customers by their ids, in the order asked; of a merged one, who it is now."""
    schedule = await context.schedule()
    async with answering.answering(context.pool, schedule, names) as answer:
        return await answering.lookup(answer, body.customers)
