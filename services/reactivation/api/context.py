"""What the routes of all nouns share: the database, and the terms of new offers."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.reactivation.domain.cases import Terms
from shared.database.connection import Pool


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What every service object of the API needs."""

    pool: Pool
    terms: Terms


async def api_context(request: Request) -> ApiContext:
    """The context of this process."""
    context: ApiContext = request.app.state.context
    return context


Context = Annotated[ApiContext, Depends(api_context)]


def parse_uuid(text: str) -> UUID | None:
    """The UUID in a text; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
