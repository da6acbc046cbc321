"""Routes of figures: the program in numbers."""

from typing import Annotated

from fastapi import APIRouter, Depends

from services.referral.api.context import ApiContext
from services.referral.figures.schemas import CountsView
from services.referral.figures.service import FigureService

router = APIRouter(prefix="/v1", tags=["referral"])


async def _service(context: ApiContext) -> FigureService:
    return FigureService(context)


@router.get("/referrals/counts")
async def count(figures: Annotated[FigureService, Depends(_service)]) -> CountsView:
    """Codes, claims by state, rewards by state."""
    return await figures.count()
