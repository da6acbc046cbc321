"""The HTTP API of policies: draft, activate, compare, and follow how customers are told."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Body, Path, Query, Response

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext, Context
from services.lifecycle.policies import repository
from services.lifecycle.policies.document import MAX_VERSION, PolicyDocument
from services.lifecycle.policies.repository import StoredPolicy
from services.lifecycle.policies.schemas import (
    ActivationRequest,
    ActivationView,
    PolicyDetail,
    PolicyDiff,
    PolicyPage,
    PolicySummary,
    RearmingView,
)
from services.lifecycle.policies.status import statuses
from shared.errors import FieldError, Problem
from shared.http import NOT_REPEATABLE, Conditional, IdPath, Page, Paging, ProblemKind, problems
from shared.urls import segment

router = APIRouter(prefix="/v1", tags=["policies"])

PolicyPath = Annotated[
    IdPath, Path(description="The name of the policy, percent-encoded.", examples=["default"])
]
Version = Annotated[
    int, Path(ge=1, le=MAX_VERSION, description="Which version of it.", examples=[1])
]
Candidate = Annotated[
    PolicyDocument, Body(examples=[{"name": "strict", "at_risk_days": 60, "inactive_days": 120}])
]
Against = Annotated[str, Query(description="The other one: NAME/VERSION.", examples=["default/1"])]

_AGAINST: Final = re.compile(r"(?P<name>[^\0]+)/(?P<version>[1-9][0-9]{0,9})", re.DOTALL)
_UNKNOWN: Final = ProblemKind(
    404, "unknown_policy", "No such version of a policy of this name is stored."
)
_EXISTS: Final = ProblemKind(
    409, "policy_exists", "The version is stored with other content; `errors` says where."
)
_IN_PAST: Final = ProblemKind(
    422, "activation_in_past", "`at` lies before the clock: who was judged stays judged."
)
_LOCATION: Final = {"Location": {"description": "The policy.", "schema": {"type": "string"}}}
_BEFORE: Final = "The same policy was stored before: this one."
_STORED: Final = {200: {"model": PolicyDetail, "description": _BEFORE, "headers": _LOCATION}}
_CREATED: Final = {201: {"headers": _LOCATION}}


@router.post(
    "/policies", status_code=201, responses=problems(_EXISTS, also={**_STORED, **_CREATED})
)
async def create_policy(body: Candidate, response: Response, service: Context) -> PolicyDetail:
    """Store a version of a policy as a draft; it judges nobody until it is activated, and never changes.

    Sending the same again is safe.
    """
    async with service.pool.acquire() as connection:
        stored, is_new = await repository.create(connection, body)
    if not is_new:
        response.status_code = 200
    response.headers["Location"] = (
        f"/v1/policies/{segment(stored.policy.name)}/{stored.policy.version}"
    )
    return await _detail(service, stored)


@router.get("/policies")
async def list_policies(service: Context, part: Paging) -> PolicyPage:
    """All versions of all policies by name and version, and where each stands."""
    clock = await clocks.clock(service.pool)
    standing = statuses(await service.schedule(), clock)
    rows = await repository.page(service.pool, part.after(str, int) or ("", 0), part.limit + 1)
    page = Page[PolicySummary].of(
        rows,
        part,
        key=lambda row: (row.policy.name, row.policy.version),
        view=lambda row: PolicySummary.of(row, standing),
    )
    return PolicyPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)


@router.get("/policies/{name}/{version}", responses=problems(_UNKNOWN))
async def show_policy(
    name: PolicyPath, version: Version, service: Context, conditional: Conditional
) -> PolicyDetail:
    """One version of a policy, with when it was activated."""
    return conditional.answer(await _detail(service, await _stored(service, name, version)))


@router.post(
    "/policies/{name}/{version}/activate",
    responses=problems(_UNKNOWN, _IN_PAST),
    openapi_extra=NOT_REPEATABLE,
)
async def activate_policy(
    name: PolicyPath, version: Version, service: Context, body: ActivationRequest | None = None
) -> ActivationView:
    """Let a policy judge what happens from an instant on; all customers are told in the background (`/v1/rearming`).

    Sending the same again changes nothing, unless another policy was activated in between: then it takes its place.
    """
    at = body.at if body else None
    async with service.pool.acquire() as connection:
        number = await repository.activate(connection, name, version, at, service.partitions)
    made = await repository.activations(service.pool, name, version)
    return next(ActivationView.of(activation) for activation in made if activation.number == number)


@router.get("/policies/{name}/{version}/diff", responses=problems(_UNKNOWN))
async def compare_policies(
    name: PolicyPath, version: Version, against: Against, service: Context
) -> PolicyDiff:
    """The fields in which two policies differ."""
    one = await _stored(service, name, version)
    found = _AGAINST.fullmatch(against)
    if found is None or int(found["version"]) > MAX_VERSION:
        wrong = FieldError("against", "must be NAME/VERSION, such as default/1")
        raise Problem(422, "invalid", "against: must be NAME/VERSION.", errors=(wrong,))
    other = await _stored(service, found["name"], int(found["version"]), field="against")
    return PolicyDiff.of(one.policy, other.policy)


@router.get("/rearming")
async def show_rearming(service: Context) -> RearmingView:
    """How far the deadlines of all customers follow the last activation."""
    return RearmingView.of(await repository.rearming(service.pool))


async def _stored(
    service: ApiContext, name: str, version: int, field: str | None = None
) -> StoredPolicy:
    found = await repository.find(service.pool, name, version)
    if found is None:
        raise repository.unknown(name, version, field)
    return found


async def _detail(service: ApiContext, stored: StoredPolicy) -> PolicyDetail:
    clock = await clocks.clock(service.pool)
    policy = stored.policy
    made = await repository.activations(service.pool, policy.name, policy.version)
    return PolicyDetail.of(
        stored,
        statuses(await service.schedule(), clock),
        document=PolicyDocument.of(policy),
        activations=[ActivationView.of(activation) for activation in made],
        as_of=clock,
    )
