"""What the API of policies takes and shows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from services.lifecycle.domain.edition import EDITION
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument, differing_fields
from services.lifecycle.policies.repository import (
    PolicyActivation,
    RearmingProgress,
    StoredPolicy,
)
from services.lifecycle.policies.status import PolicyKey, PolicyState, PolicyStatus
from shared.clock import CLOCK_START
from shared.http import Instant, Page

FUTURE: Final = "2030-01-01T00:00:00Z"


class ActivationRequest(BaseModel):
    """The instant from which a policy is to judge."""

    model_config = ConfigDict(extra="forbid")

    at: Instant | None = Field(
        default=None,
        description="By event time, not before the clock. Left out: the clock.",
        examples=[FUTURE],
    )


class ActivationView(BaseModel):
    """One activation of a policy."""

    number: int = Field(
        description="The number of the activation; activations and fits share one count.",
        examples=[3],
    )
    at: Instant | None = Field(
        description="The policy judges what happens from here on; null: from the beginning.",
        examples=[FUTURE],
    )
    made_at: Instant = Field(description="The clock when the activation was made.")

    @classmethod
    def of(cls, activation: PolicyActivation) -> Self:
        """The view of an activation."""
        at = _null_if_earliest(activation.at)
        return cls(number=activation.number, at=at, made_at=activation.made_at)


class PolicySummary(BaseModel):
    """A version of a policy, and its state."""

    name: str = Field(description="The name of the policy.", examples=["default"])
    version: int = Field(description="The number of the version.", examples=[1])
    account: str | None = Field(
        description="The kind of account that it judges; null: all without a policy of their own.",
        examples=["b2b"],
    )
    state: PolicyState = Field(
        description="Whether it was never activated, judges, will judge, or no longer does.",
        examples=["active"],
    )
    since: Instant | None = Field(
        description="Draft: when it was stored. Active: since when it judges (null: from the "
        "beginning). Scheduled: from when it will. Superseded: until when it did."
    )
    created_at: Instant = Field(description="The clock when it was stored.")

    @classmethod
    def of(
        cls, stored: StoredPolicy, statuses: Mapping[PolicyKey, PolicyStatus], **more: Any
    ) -> Self:
        """The view of a version, given the statuses of all versions that were ever activated."""
        policy = stored.policy
        draft = PolicyStatus(PolicyState.DRAFT, stored.created_at)
        status = statuses.get((policy.name, policy.version), draft)
        return cls(
            name=policy.name,
            version=policy.version,
            account=policy.account,
            state=status.state,
            since=_null_if_earliest(status.since),
            created_at=stored.created_at,
            **more,
        )


class PolicyDetail(PolicySummary):
    """A version of a policy in full."""

    document: PolicyDocument = Field(description="The fields of the policy.")
    activations: list[ActivationView] = Field(description="By the instants from which they count.")
    as_of: Instant = Field(description="The clock when this answer was true.")


class PolicyPage(Page[PolicySummary]):
    """Some of the policies, by name and version."""

    as_of: Instant = Field(description="The clock when this answer was true.")


class PolicyName(BaseModel):
    """A version of a policy."""

    name: str = Field(description="The name of the policy.", examples=["default"])
    version: int = Field(description="The number of the version.", examples=[1])


class Difference(BaseModel):
    """A field in which two policies differ."""

    field: str = Field(description="The field of the document.", examples=["at_risk_days"])
    unit: str | None = Field(
        description="The unit of both values; null: they have none.", examples=["days"]
    )
    one: str | int | float | None = Field(
        description="The value in the policy of the path, in `unit`.", examples=[90]
    )
    other: str | int | float | None = Field(
        description="The value in the policy of `against`, in `unit`.", examples=[60]
    )


class PolicyDiff(BaseModel):
    """The differences between two policies, apart from name and version."""

    one: PolicyName = Field(description="The policy of the path.")
    other: PolicyName = Field(description="The policy of `against`.")
    differences: list[Difference] = Field(description="In the order of the document.")

    @classmethod
    def of(cls, one: Policy, other: Policy) -> Self:
        """Compare two policies."""
        unit_of = units()
        differences = [
            Difference(
                field=name,
                unit=unit_of[name],
                one=getattr(one, name),
                other=getattr(other, name),
            )
            for name in differing_fields(one, other)
        ]
        return cls(one=_name(one), other=_name(other), differences=differences)


class PartitionProgress(BaseModel):
    """How many customers of a partition follow the activations up to `target`, and the rules."""

    partition: int = Field(description="The number of the partition, from 0.", examples=[0])
    target: int = Field(description="The number of the last activation or fit.", examples=[3])
    edition: int = Field(
        description="The edition of the rules by which they are folded; a new version of the "
        "service may bring another.",
        examples=[1],
    )
    done: int = Field(description="Number of customers who follow it by now.", examples=[410])
    total: int = Field(
        description="Number of customers when the last activation was made.", examples=[412]
    )
    finished: bool = Field(description="Whether all of them follow it.")


class RearmingView(BaseModel):
    """How many customers follow the last activation, and the rules of this version, by now."""

    done: int = Field(description="Number of customers who follow it by now.", examples=[410])
    total: int = Field(
        description="Number of customers when the last activation was made.", examples=[412]
    )
    finished: bool = Field(description="Whether all of them follow it.")
    partitions: list[PartitionProgress] = Field(description="The same for each partition.")

    @classmethod
    def of(cls, rows: Sequence[RearmingProgress]) -> Self:
        """Add up the rows of all partitions."""
        return cls(
            done=sum(row.done for row in rows),
            total=sum(row.total for row in rows),
            finished=all(is_finished(row) for row in rows),
            partitions=[
                PartitionProgress(**row._replace(finished=is_finished(row))._asdict())
                for row in rows
            ],
        )


def is_finished(row: RearmingProgress) -> bool:
    """Whether all customers of a partition follow, and by the rules of this version."""
    return row.finished and row.edition == EDITION


def units() -> dict[str, str | None]:
    """The unit of every field of a policy document; None for fields without one."""
    properties = PolicyDocument.model_json_schema()["properties"]
    return {name: properties[name].get("unit") for name in PolicyDocument.model_fields}


def _name(policy: Policy) -> PolicyName:
    return PolicyName(name=policy.name, version=policy.version)


def _null_if_earliest(instant: datetime) -> datetime | None:
    return None if instant == CLOCK_START else instant
