"""The HTTP API of referral: codes, claims, balances, and the ledger."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from services.referral.claims import repository
from services.referral.claims.schemas import (
    CLAIM_ID,
    CUSTOMER,
    BalancesView,
    BalanceView,
    ClaimRequest,
    ClaimView,
    CodeRequest,
    CodeView,
    CountsView,
    PostingPage,
    PostingView,
)
from services.referral.claims.service import ReferralService
from services.referral.domain import claims, rewards
from services.referral.ledger import repository as queries
from shared.database.connection import Pool
from shared.errors import Problem
from shared.events.fields import Subject
from shared.http import (
    NOT_REPEATABLE,
    REUSED_KEY,
    Conditional,
    CustomerPath,
    IdempotencyKey,
    IdPath,
    Page,
    Paging,
    ProblemKind,
    Requested,
    problems,
)

router = APIRouter(prefix="/v1", tags=["referral"])


async def _desk(request: Request) -> ReferralService:
    found: ReferralService = request.app.state.desk
    return found


async def _pool(request: Request) -> Pool:
    found: Pool = request.app.state.pool
    return found


AtDesk = Annotated[ReferralService, Depends(_desk)]
Database = Annotated[Pool, Depends(_pool)]

_NO_CODE: Final = ProblemKind(404, "no_code", "The customer has no code.")
_NOT_PARKED: Final = ProblemKind(409, "not_parked", "The customer is not parked.")
_NOT_STARTED: Final = ProblemKind(
    503, "clock_not_started", "No worker has read this partition's clock yet."
)
_REFUSALS: Final = (
    ProblemKind(422, "mistyped_code", "The code has a wrong character."),
    ProblemKind(422, "unknown_code", "Nobody has this code."),
    ProblemKind(422, "self_referral", "The code is the referee's own."),
    ProblemKind(409, "already_customer", "The referee has bought before."),
)


@router.post(
    "/codes",
    status_code=201,
    responses=problems(
        REUSED_KEY,
        _NOT_STARTED,
        also={
            200: {"model": CodeView, "description": "The customer had a code already: this one."}
        },
    ),
)
async def issue_code(
    body: CodeRequest,
    response: Response,
    desk: AtDesk,
    database: Database,
    idempotency_key: IdempotencyKey = None,
) -> CodeView:
    """Give a customer a referral code; there is one per customer."""
    if not await desk.issue(body.customer, idempotency_key):
        response.status_code = 200
    return await _code(body.customer, desk, database)


@router.get("/customers/{customer}/code", responses=problems(_NO_CODE))
async def show_code(
    customer: CustomerPath, desk: AtDesk, database: Database, conditional: Conditional
) -> CodeView:
    """The referral code of a customer."""
    return conditional.answer(await _code(customer, desk, database))


async def _code(customer: str, desk: ReferralService, database: Pool) -> CodeView:
    found = await queries.code(database, customer)
    if found is None:
        raise Problem(404, "no_code", f"Customer {customer} has no code.")
    clock = await queries.clock(database, desk.partition(customer))
    return CodeView(customer=customer, code=found[0], issued_at=found[1], as_of=clock)


@router.post(
    "/claims",
    status_code=201,
    responses=problems(
        *_REFUSALS,
        REUSED_KEY,
        _NOT_STARTED,
        also={
            200: {
                "model": ClaimView,
                "description": "This claim was made before: as it was accepted then.",
            }
        },
    ),
)
async def claim(
    body: ClaimRequest, response: Response, desk: AtDesk, idempotency_key: IdempotencyKey = None
) -> ClaimView:
    """Record that a referee named a code; sending the same claim again is safe."""
    found, is_new = await desk.claim(body.code, body.referee, idempotency_key)
    if not is_new:
        response.status_code = 200
    return ClaimView.receipt(found)


@router.get(
    "/claims/{claim_id}",
    responses=problems(ProblemKind(404, "not_found", "There is no such claim.")),
)
async def show_claim(
    claim_id: Annotated[IdPath, Path(description="The id of the claim.", examples=[CLAIM_ID])],
    desk: AtDesk,
    database: Database,
    conditional: Conditional,
) -> ClaimView:
    """A claim as it stands."""
    number = _uuid(claim_id)
    found = await repository.claim(database, number) if number else None
    if found is None:
        raise Problem(404, "not_found", "There is no such claim.")
    return conditional.answer(
        ClaimView.of(found, await queries.clock(database, desk.partition(found.referee)))
    )


@router.get("/customers/{customer}/balance")
async def show_balance(
    customer: CustomerPath, desk: AtDesk, database: Database, conditional: Conditional
) -> BalancesView:
    """What a customer has earned, pending and available."""
    clock = await queries.clock(database, desk.partition(customer))
    sums = await queries.balances(database, customer)
    balances = [
        BalanceView(currency=b.currency, pending=b.pending, available=b.available) for b in sums
    ]
    parked = await queries.parked(database, customer) is not None
    return conditional.answer(
        BalancesView(customer=customer, balances=balances, parked=parked, as_of=clock)
    )


@router.post(
    "/customers/{customer}/release",
    status_code=202,
    responses=problems(_NOT_PARKED),
    openapi_extra=NOT_REPEATABLE,
)
async def release_customer(customer: CustomerPath, desk: AtDesk) -> Requested:
    """Judge a parked customer again, once the reason is gone. Soon the customer is parked no longer (409)."""
    await desk.release(customer)
    return Requested()


@router.get("/ledger")
async def list_postings(
    customer: Annotated[Subject, Query(description="Whose postings.", examples=[CUSTOMER])],
    part: Paging,
    database: Database,
) -> PostingPage:
    """A customer's postings with their entries, newest first."""
    before = part.after(int)
    rows = await queries.ledger(
        database, customer, before=before[0] if before else None, limit=part.limit + 1
    )
    page = Page[PostingView].of(rows, part, key=lambda row: (row.seq,), view=PostingView.of)
    return PostingPage(items=page.items, next_cursor=page.next_cursor)


@router.get("/referrals/counts")
async def count(database: Database) -> CountsView:
    """Codes, claims by state, rewards by state."""
    found = await queries.counts(database)
    return CountsView(
        as_of=found.as_of,
        codes=found.codes,
        claims={state: found.claims.get(state, 0) for state in claims.State},
        rewards={state: found.rewards.get(state, 0) for state in rewards.State},
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
