"""Query parameters that several routers declare, and the problems that come with them."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Query

from services.lifecycle.api.phase_names import Naming
from services.lifecycle.domain.phase_models import Model
from shared.errors import FieldError, Problem
from shared.http import Instant, LabelLanguage, ProblemKind

AsOf = Annotated[
    Instant | None, Query(description="An instant up to the clock; without it, the clock.")
]
WithdrawnToo = Annotated[bool, Query(description="Show withdrawn transitions, too.")]

AS_OF_IN_FUTURE: Final = ProblemKind(
    422, "as_of_in_future", "`as_of` lies after the clock: nobody knows yet."
)


async def naming(
    language: LabelLanguage,
    model: Annotated[
        Model | None, Query(description="Name phases as in this model, too.", examples=["cxm"])
    ] = None,
) -> Naming:
    """Return how the client wants phases named."""
    return Naming(model, language)


Names = Annotated[Naming, Depends(naming)]


def refuse_future(field: str, instant: datetime | None, latest: datetime) -> None:
    """Raise Problem 422 for an instant later than the latest that can be known of."""
    if instant is None or instant <= latest:
        return
    wrong = FieldError(field, f"lies after the clock, {latest.isoformat()}: nobody knows yet")
    raise Problem(422, f"{field}_in_future", "The instant has not been reached.", errors=(wrong,))
