"""What the routes of all nouns share: the database, and the terms of new offers."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from services.reactivation.domain.cases import Terms
from shared.database.connection import Pool


@dataclass(frozen=True, slots=True)
class Context:
    """What every service object of the API needs."""

    pool: Pool
    terms: Terms


async def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


ApiContext = Annotated[Context, Depends(_context)]


def parse_uuid(text: str) -> UUID | None:
    """The UUID in a text; None if it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
