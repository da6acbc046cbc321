"""What the routes of all nouns share: the database, and the terms of offers."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.reactivation.domain.cases import Terms
from shared.database.connection import Pool


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What every service object of the API needs."""

    pool: Pool
    terms: Terms
    partitions: int


async def api_context(request: Request) -> ApiContext:
    """The context of this process."""
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(api_context)]
