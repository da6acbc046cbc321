"""What the API of policies takes and shows."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.policies.document import PolicyDocument
from services.lifecycle.policies.repository import PolicyActivation, RearmingProgress, StoredPolicy
from services.lifecycle.policies.status import PolicyKey, PolicyState, PolicyStatus
from shared.clock import DAWN
from shared.http import Instant, Page

FUTURE: Final = "2030-01-01T00:00:00Z"


class ActivationRequest(BaseModel):
    """From when a policy is to judge."""

    model_config = ConfigDict(extra="forbid")

    at: Instant | None = Field(
        default=None,
        description="By event time; not before the clock. Left out: the clock.",
        examples=[FUTURE],
    )


class ActivationView(BaseModel):
    """One activation of a policy."""

    number: int = Field(
        description="One more for every activation and every fit of the cadence model.",
        examples=[3],
    )
    at: Instant | None = Field(
        description="It judges what happens from here on; null: from the beginning.",
        examples=[FUTURE],
    )
    made_at: Instant = Field(description="The clock when it was made.")

    @classmethod
    def of(cls, activation: PolicyActivation) -> Self:
        """The view of a row."""
        return cls(number=activation.number, at=_named(activation.at), made_at=activation.made_at)


class PolicySummary(BaseModel):
    """A version of a policy, and where it stands."""

    name: str = Field(description="Its name.", examples=["default"])
    version: int = Field(description="Which version of it.", examples=[1])
    account: str | None = Field(
        description="The kind of account that it judges; null: all without one of their own.",
        examples=["b2b"],
    )
    state: PolicyState = Field(description="Where it stands.", examples=["active"])
    since: Instant | None = Field(
        description="Draft: when it was stored; active: since when it judges (null: from the beginning); scheduled: "
        "from when it will; superseded: until when it did."
    )
    created_at: Instant = Field(description="The clock when it was stored.")

    @classmethod
    def of(
        cls, stored: StoredPolicy, statuses: Mapping[PolicyKey, PolicyStatus], **more: Any
    ) -> Self:
        """The view of a row, given where those stand that were activated."""
        policy = stored.policy
        status = statuses.get(
            (policy.name, policy.version), PolicyStatus(PolicyState.DRAFT, stored.created_at)
        )
        return cls(
            name=policy.name,
            version=policy.version,
            account=policy.account,
            state=status.state,
            since=_named(status.since),
            created_at=stored.created_at,
            **more,
        )


class PolicyDetail(PolicySummary):
    """A version of a policy in full."""

    document: PolicyDocument = Field(description="What it says.")
    activations: list[ActivationView] = Field(description="By the instants from which they count.")
    as_of: Instant = Field(description="The clock that this answer was true at.")


class PolicyPage(Page[PolicySummary]):
    """A part of the policies, by name and version."""

    as_of: Instant = Field(description="The clock that this answer was true at.")


class PolicyName(BaseModel):
    """A version of a policy."""

    name: str = Field(description="Its name.", examples=["default"])
    version: int = Field(description="Which version of it.", examples=[1])


class Difference(BaseModel):
    """A field in which two policies differ."""

    field: str = Field(description="The field of the document.", examples=["at_risk_days"])
    unit: str | None = Field(
        description="The unit of both values; null: they have none.", examples=["days"]
    )
    one: str | int | float | None = Field(
        description="What the one says, in `unit`.", examples=[90]
    )
    other: str | int | float | None = Field(
        description="What the other says, in `unit`.", examples=[60]
    )


class PolicyDiff(BaseModel):
    """What two policies differ in, but for name and version."""

    one: PolicyName = Field(description="The one in the path.")
    other: PolicyName = Field(description="The one in `against`.")
    differences: list[Difference] = Field(description="In the order of the document.")

    @classmethod
    def of(cls, one: Policy, other: Policy) -> Self:
        """The difference between two stored policies."""
        found = [
            Difference(field=name, unit=unit, one=getattr(one, name), other=getattr(other, name))
            for name, unit in units().items()
            if name not in {"name", "version"} and getattr(one, name) != getattr(other, name)
        ]
        names = [PolicyName(name=policy.name, version=policy.version) for policy in (one, other)]
        return cls(one=names[0], other=names[1], differences=found)


class PartitionProgress(BaseModel):
    """How many customers of a partition know the activations up to `target`."""

    partition: int = Field(description="The number of the partition, from 0.", examples=[0])
    target: int = Field(description="The number of the last activation or fit.", examples=[3])
    done: int = Field(description="Number of customers who know it.", examples=[410])
    total: int = Field(
        description="Number of customers when the last activation was made.", examples=[412]
    )
    finished: bool = Field(description="Whether all of them know it.")


class RearmingView(BaseModel):
    """How far the deadlines of all customers follow the last activation."""

    done: int = Field(description="Number of customers who know it.", examples=[410])
    total: int = Field(
        description="Number of customers when the last activation was made.", examples=[412]
    )
    finished: bool = Field(description="Whether all of them know it.")
    partitions: list[PartitionProgress] = Field(description="The same for each partition.")

    @classmethod
    def of(cls, rows: Sequence[RearmingProgress]) -> Self:
        """The view of the rows of all partitions."""
        return cls(
            done=sum(row.done for row in rows),
            total=sum(row.total for row in rows),
            finished=all(row.finished for row in rows),
            partitions=[PartitionProgress(**row._asdict()) for row in rows],
        )


def units() -> dict[str, str | None]:
    """The unit of every field of a policy document; None for those that are names."""
    properties = PolicyDocument.model_json_schema()["properties"]
    return {name: properties[name].get("unit") for name in PolicyDocument.model_fields}


def _named(instant: datetime) -> datetime | None:
    return None if instant == DAWN else instant
