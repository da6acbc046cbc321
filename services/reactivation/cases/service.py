"""The use cases of cases: list them, show one, count them."""

from datetime import datetime

from services.reactivation.api.context import ApiContext
from services.reactivation.cases.schemas import CasePage, CaseView, CountsView
from services.reactivation.cases.search import (
    CasePosition,
    CaseSnapshot,
    case_by_id,
    count_by_state,
    newest_cases,
)
from services.reactivation.domain.cases import State
from shared.errors import FieldError, Problem
from shared.http import Page, Slice
from shared.ids import parse_uuid


class CaseService:
    """Shows win-back cases."""

    def __init__(self, context: ApiContext) -> None:
        self._pool = context.pool

    async def list(self, part: Slice, state: State | None, customer: str | None) -> CasePage:
        """A page of cases, newest first. Raises Problem 422 "invalid_cursor"."""
        rows = await newest_cases(
            self._pool,
            limit=part.limit + 1,
            state=state,
            customer=customer,
            before=_position_before(part),
        )
        page = Page[CaseView].of(rows, part, key=_key, view=CaseView.of)
        return CasePage(items=page.items, next_cursor=page.next_cursor)

    async def show(self, case_id: str) -> CaseView:
        """One case with its offer. Raises Problem 404 "not_found"."""
        id = parse_uuid(case_id)
        snapshot = await case_by_id(self._pool, id) if id else None
        if snapshot is None:
            raise Problem(404, "not_found", "There is no such case.")
        return CaseView.of(snapshot)

    async def count(self) -> CountsView:
        """The numbers of cases and of offers, by state."""
        return CountsView.of(await count_by_state(self._pool))


def _key(snapshot: CaseSnapshot) -> tuple[datetime, str]:
    return snapshot.case.lapse.occurred_at, str(snapshot.case.id)


def _position_before(part: Slice) -> CasePosition | None:
    """The last case of the page before."""
    key = part.after(datetime, str)
    if key is None:
        return None
    opened_at, text = key
    id = parse_uuid(text)
    if id is None:
        wrong = FieldError("cursor", "is not a next_cursor of this list")
        raise Problem(422, "invalid_cursor", "The cursor cannot be read.", errors=(wrong,))
    return CasePosition(opened_at, id)
