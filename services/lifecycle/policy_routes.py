"""The HTTP API of policies: draft, activate, compare, and follow how customers are told."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Response

from services.lifecycle import policies, queries
from services.lifecycle.domain.reigns import statuses
from services.lifecycle.policies import Stored
from services.lifecycle.policy_schemas import (
    ActivationRequest,
    ActivationView,
    PolicyDetail,
    PolicyDiff,
    PolicyPage,
    PolicySummary,
    RearmingView,
)
from services.lifecycle.routes import Lifecycle, Service
from services.lifecycle.settings import MAX_VERSION, PolicyDocument
from shared.errors import FieldError, Problem
from shared.http import IdPath, Page, Paging

router = APIRouter(prefix="/v1", tags=["policies"])

Version = Annotated[int, Path(ge=1, le=MAX_VERSION)]
Against = Annotated[str, Query(description="The other one: NAME/VERSION.", examples=["default/1"])]


@router.post("/policies", status_code=201, responses={200: {"description": "The same policy was stored before."}})
async def create_policy(body: PolicyDocument, response: Response, service: Service) -> PolicyDetail:
    """Store a version of a policy as a draft; it judges nobody until it is activated, and never changes.

    Sending the same again is safe. Refused with 409 `policy_exists` where the version is stored with other content.
    """
    async with service.pool.acquire() as connection:
        stored, is_new = await policies.create(connection, body)
    if not is_new:
        response.status_code = 200
    response.headers["Location"] = f"/v1/policies/{quote(stored.policy.name, safe='')}/{stored.policy.version}"
    return await _detail(service, stored)


@router.get("/policies")
async def list_policies(service: Service, part: Paging) -> PolicyPage:
    """All versions of all policies by name and version, and where each stands."""
    clock = await queries.clock(service.pool)
    standing = statuses(await service.policies(), clock)
    rows = await policies.page(service.pool, part.after(str, int) or ("", 0), part.limit + 1)
    page = Page[PolicySummary].of(
        rows,
        part,
        key=lambda row: (row.policy.name, row.policy.version),
        view=lambda row: PolicySummary.of(row, standing),
    )
    return PolicyPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)


@router.get("/policies/{name}/{version}")
async def show_policy(name: IdPath, version: Version, service: Service) -> PolicyDetail:
    """One version of a policy, with when it was activated."""
    return await _detail(service, await _stored(service, name, version))


@router.post("/policies/{name}/{version}/activate")
async def activate_policy(
    name: IdPath, version: Version, service: Service, body: ActivationRequest | None = None
) -> ActivationView:
    """Let a policy judge what happens from an instant on; all customers are told in the background (`/v1/rearming`).

    Sending the same again is safe. Refused with 422 `activation_in_past` for an instant before the clock.
    """
    at = body.at if body else None
    async with service.pool.acquire() as connection:
        number = await policies.activate(connection, name, version, at, service.partitions)
    made = await policies.activations(service.pool, name, version)
    return next(ActivationView.of(activation) for activation in made if activation.number == number)


@router.get("/policies/{name}/{version}/diff")
async def compare_policies(name: IdPath, version: Version, against: Against, service: Service) -> PolicyDiff:
    """The fields in which two policies differ."""
    one = await _stored(service, name, version)
    other, _, number = against.rpartition("/")
    if not (other and number.isascii() and number.isdecimal() and 1 <= int(number[:11]) <= MAX_VERSION):
        wrong = FieldError("against", "must be NAME/VERSION, such as default/1")
        raise Problem(422, "invalid", "against: must be NAME/VERSION.", errors=(wrong,))
    return PolicyDiff.of(one.policy, (await _stored(service, other, int(number), field="against")).policy)


@router.get("/rearming")
async def show_rearming(service: Service) -> RearmingView:
    """How far the deadlines of all customers follow the last activation."""
    return RearmingView.of(await policies.rearming(service.pool))


async def _stored(service: Lifecycle, name: str, version: int, field: str | None = None) -> Stored:
    found = await policies.find(service.pool, name, version)
    if found is None:
        raise policies.unknown(name, version, field)
    return found


async def _detail(service: Lifecycle, stored: Stored) -> PolicyDetail:
    clock = await queries.clock(service.pool)
    policy = stored.policy
    made = await policies.activations(service.pool, policy.name, policy.version)
    return PolicyDetail.of(
        stored,
        statuses(await service.policies(), clock),
        document=PolicyDocument.of(policy),
        activations=[ActivationView.of(activation) for activation in made],
        as_of=clock,
    )
