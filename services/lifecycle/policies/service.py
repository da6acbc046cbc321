"""The use cases of policies: draft, activate, compare, follow the customers."""

import re
from datetime import datetime
from typing import Final

from services.lifecycle import clocks
from services.lifecycle.api.context import ApiContext
from services.lifecycle.policies import registry, repository
from services.lifecycle.policies.document import MAX_VERSION, PolicyDocument
from services.lifecycle.policies.registry import find_policy
from services.lifecycle.policies.repository import StoredPolicy
from services.lifecycle.policies.schemas import (
    ActivationView,
    PolicyDetail,
    PolicyDiff,
    PolicyPage,
    PolicySummary,
    RearmingView,
)
from services.lifecycle.policies.status import PolicyKey, statuses
from shared.errors import FieldError, Problem
from shared.http import Page, Slice

_AGAINST: Final = re.compile(r"(?P<name>[^\0]+)/(?P<version>[1-9][0-9]{0,9})", re.DOTALL)


class PolicyService:
    """The use cases of policies."""

    def __init__(self, context: ApiContext) -> None:
        self._context: Final = context
        self._pool: Final = context.pool

    async def create(self, document: PolicyDocument) -> tuple[PolicyDetail, bool]:
        """Store a draft, and say whether it is new. Raises Problem 409 like `registry.create`."""
        async with self._pool.acquire() as connection:
            stored, is_new = await registry.create(connection, document)
        return await self._detail(stored), is_new

    async def list(self, part: Slice) -> PolicyPage:
        """A page of all versions, by name and version."""
        clock = await clocks.least_clock(self._pool)
        by_key = statuses(await self._context.schedule(), clock)
        after = part.after(str, int) or ("", 0)
        page = Page[PolicySummary].of(
            await repository.page(self._pool, after, part.limit + 1),
            part,
            key=lambda row: (row.policy.name, row.policy.version),
            view=lambda row: PolicySummary.of(row, by_key),
        )
        return PolicyPage(items=page.items, next_cursor=page.next_cursor, as_of=clock)

    async def show(self, name: str, version: int) -> PolicyDetail:
        """One version in full. Raises Problem 404 if it is not stored."""
        return await self._detail(await find_policy(self._pool, name, version))

    async def activate(self, name: str, version: int, at: datetime | None) -> ActivationView:
        """Let a version judge from `at`, or now, on. Raises Problem 404 or 422 like `registry`."""
        async with self._pool.acquire() as connection:
            number = await registry.activate(
                connection, name, version, at, self._context.partitions
            )
        activations = await repository.activations(self._pool, name, version)
        return next(
            ActivationView.of(activation)
            for activation in activations
            if activation.number == number
        )

    async def compare(self, name: str, version: int, against: str) -> PolicyDiff:
        """Compare a version with the one that `against` names. Raises Problem 404 or 422."""
        one = await find_policy(self._pool, name, version)
        other = await find_policy(self._pool, *parse_against(against), field="against")
        return PolicyDiff.of(one.policy, other.policy)

    async def rearming(self) -> RearmingView:
        """How far the customers follow the last activation."""
        return RearmingView.of(await repository.rearming(self._pool))

    async def _detail(self, stored: StoredPolicy) -> PolicyDetail:
        clock = await clocks.least_clock(self._pool)
        policy = stored.policy
        activations = await repository.activations(self._pool, policy.name, policy.version)
        return PolicyDetail.of(
            stored,
            statuses(await self._context.schedule(), clock),
            document=PolicyDocument.of(policy),
            activations=[ActivationView.of(activation) for activation in activations],
            as_of=clock,
        )


def parse_against(against: str) -> PolicyKey:
    """The version that NAME/VERSION names. Raises Problem 422 for anything else."""
    match = _AGAINST.fullmatch(against)
    if match is None or int(match["version"]) > MAX_VERSION:
        wrong = FieldError("against", "must be NAME/VERSION, such as default/1")
        raise Problem(422, "invalid", "against: must be NAME/VERSION.", errors=(wrong,))
    return match["name"], int(match["version"])
