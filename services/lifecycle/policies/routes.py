"""The HTTP API of policies: draft, activate, compare, and follow the customers."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Path, Query, Response

from services.lifecycle.api.context import Context
from services.lifecycle.policies.document import MAX_VERSION, PolicyDocument
from services.lifecycle.policies.schemas import (
    ActivationRequest,
    ActivationView,
    PolicyDetail,
    PolicyDiff,
    PolicyPage,
    RearmingView,
)
from services.lifecycle.policies.service import PolicyService
from shared.http import NOT_REPEATABLE, Conditional, IdPath, Paging, ProblemKind, problems
from shared.urls import segment

router = APIRouter(prefix="/v1", tags=["policies"])

_UNKNOWN: Final = ProblemKind(
    404, "unknown_policy", "No such version of a policy of this name is stored."
)
_EXISTS: Final = ProblemKind(
    409, "policy_exists", "The version is stored with other content; `errors` names the fields."
)
_IN_PAST: Final = ProblemKind(
    422, "activation_in_past", "`at` lies before the clock: what was judged stays judged."
)
_LOCATION: Final = {"Location": {"description": "The policy.", "schema": {"type": "string"}}}
_SAME_AGAIN: Final = {
    "model": PolicyDetail,
    "description": "The same policy was stored before: this one.",
    "headers": _LOCATION,
}
_CREATED: Final[Mapping[int, Mapping[str, Any]]] = {200: _SAME_AGAIN, 201: {"headers": _LOCATION}}

PolicyPath = Annotated[
    IdPath, Path(description="The name of the policy, percent-encoded.", examples=["default"])
]
VersionPath = Annotated[
    int, Path(ge=1, le=MAX_VERSION, description="The number of the version.", examples=[1])
]
Candidate = Annotated[
    PolicyDocument, Body(examples=[{"name": "strict", "at_risk_days": 60, "inactive_days": 120}])
]
Against = Annotated[
    str, Query(description="The policy to compare with: NAME/VERSION.", examples=["default/1"])
]


async def _service(context: Context) -> PolicyService:
    return PolicyService(context)


Service = Annotated[PolicyService, Depends(_service)]


@router.post("/policies", status_code=201, responses=problems(_EXISTS, also=_CREATED))
async def create_policy(body: Candidate, response: Response, service: Service) -> PolicyDetail:
    """Store a version of a policy as a draft. It never changes, and judges nobody until activated.

    Sending the same again is safe.
    """
    return _located(response, *await service.create(body))


@router.get("/policies")
async def list_policies(service: Service, part: Paging) -> PolicyPage:
    """List all versions of all policies by name and version, with their states."""
    return await service.list(part)


@router.get("/policies/{name}/{version}", responses=problems(_UNKNOWN))
async def show_policy(
    name: PolicyPath, version: VersionPath, service: Service, conditional: Conditional
) -> PolicyDetail:
    """Show one version of a policy, and when it was activated."""
    return conditional.answer(await service.show(name, version))


@router.post(
    "/policies/{name}/{version}/activate",
    responses=problems(_UNKNOWN, _IN_PAST),
    openapi_extra=NOT_REPEATABLE,
)
async def activate_policy(
    name: PolicyPath, version: VersionPath, service: Service, body: ActivationRequest | None = None
) -> ActivationView:
    """Let a policy judge what happens from an instant on.

    The deadlines of all customers follow in the background (`/v1/rearming`). Sending the same
    again changes nothing, unless another policy was activated in between, which it then replaces.
    """
    return await service.activate(name, version, body.at if body else None)


@router.get("/policies/{name}/{version}/diff", responses=problems(_UNKNOWN))
async def compare_policies(
    name: PolicyPath, version: VersionPath, against: Against, service: Service
) -> PolicyDiff:
    """List the fields in which two policies differ."""
    return await service.compare(name, version, against)


@router.get("/rearming")
async def show_rearming(service: Service) -> RearmingView:
    """Show how many customers follow the last activation, and the rules of this version, by now."""
    return await service.rearming()


def _located(response: Response, policy: PolicyDetail, is_new: bool) -> PolicyDetail:
    """Say where the policy is found, and whether it was created just now."""
    response.headers["Location"] = f"/v1/policies/{segment(policy.name)}/{policy.version}"
    if not is_new:
        response.status_code = 200
    return policy
