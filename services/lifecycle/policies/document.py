"""Policies as people write them: in a TOML file, or in the body of a request."""

import sys
import tomllib
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from services.lifecycle.domain.policy.policy import Policy
from shared.errors import Misconfigured
from shared.events.money import Currency

MAX_VERSION: Final = 2**31 - 1
_DAYS: Final = {"unit": "days"}
_HOURS: Final = {"unit": "hours"}
_ORDERS: Final = {"unit": "orders"}
_SHARE: Final = {"unit": "share"}
_PROBABILITY: Final = {"unit": "probability"}
_PER_YEAR: Final = {"unit": "a year"}

Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=100, pattern=r"^[\p{L}\p{N}](?:[^\p{C}\p{Zl}\p{Zp}/])*$"
    ),
]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]
Days = Annotated[int, Field(gt=0, le=36_500, json_schema_extra=_DAYS)]
DaysOrOff = Annotated[int, Field(ge=0, le=36_500, json_schema_extra=_DAYS)]
HorizonDays = Annotated[int, Field(gt=0, le=3650, json_schema_extra=_DAYS)]
LeastDays = Annotated[int, Field(gt=0, le=1796, json_schema_extra=_DAYS)]
Hours = Annotated[int, Field(gt=0, le=8760, json_schema_extra=_HOURS)]
HoursOrOff = Annotated[int, Field(ge=0, le=8760, json_schema_extra=_HOURS)]
Orders = Annotated[int, Field(ge=2, le=1_000_000, json_schema_extra=_ORDERS)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, json_schema_extra=_SHARE)]
YearlyRate = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False, json_schema_extra=_PER_YEAR)]
Probability = Annotated[
    float, Field(gt=0, lt=1, allow_inf_nan=False, json_schema_extra=_PROBABILITY)
]


class PolicyDocument(BaseModel):
    """A policy; fields left out are as in the built-in one. Days are 24 hours."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)

    name: Name = Field(default=Policy.name, description="The policy that this is a version of.")
    version: Version | None = Field(
        default=None,
        description="The number of the version; left out: the next one of the name.",
        examples=[1],
    )
    account: Literal["b2c", "b2b"] | None = Field(
        default=None,
        description="The kind of account that it judges; null: all without a policy of their own.",
    )
    currency: Currency = Field(
        default=Policy.currency, description="The currency of rules about value (ISO 4217)."
    )
    silence: Literal["fixed", "cadence", "auto"] = Field(
        default="fixed",
        description="How long a silence is long: `fixed`, the same days for all; `cadence`, by "
        "the customer's own rhythm; `auto`, by cadence as soon as a fit is accepted.",
    )
    at_risk_days: Days = Field(
        default=Policy.at_risk_days,
        description="A customer who has not ordered for this long is at risk.",
    )
    inactive_days: Days = Field(
        default=Policy.inactive_days,
        description="A customer who has not ordered for this long is inactive; more than "
        "at_risk_days.",
    )
    established_after_orders: Orders = Field(
        default=Policy.established_after_orders,
        description="A new customer with this many orders is established.",
    )
    settle_after_orders: Orders = Field(
        default=Policy.settle_after_orders,
        description="A customer won back is established after this many orders since the return, "
        "including the first.",
    )
    former_after_inactive_days: Days = Field(
        default=Policy.former_after_inactive_days,
        description="A customer inactive for this long is a former one.",
    )
    prospect_days: Days = Field(
        default=Policy.prospect_days,
        description="A prospect without any event for this long is inactive.",
    )
    advocate_days: Days = Field(
        default=Policy.advocate_days,
        description="A recommendation or praise makes an advocate for this long.",
    )
    complaint_overdue_hours: Hours = Field(
        default=Policy.complaint_overdue_hours,
        description="A complaint unanswered for this long puts the customer at risk.",
    )
    revenue_decline_share: Share = Field(
        default=Policy.revenue_decline_share,
        description="At risk when the revenue of 90 days falls below this share of the revenue of "
        "the 90 days before; 0: off.",
    )
    contact_days: DaysOrOff = Field(
        default=Policy.contact_days,
        description="At risk after this long without a session, click or page view; 0: off.",
    )
    renewal_grace_days: DaysOrOff = Field(
        default=Policy.renewal_grace_days,
        description="How long after its end a contract may still be renewed.",
    )
    act_within_days: Days = Field(
        default=Policy.act_within_days,
        description="A transition noticed later than this is historical: nobody acts on it.",
    )
    active_days: Days = Field(
        default=Policy.active_days,
        description="A customer who acted within this time is active in the model `activity`.",
    )
    survey_days: DaysOrOff = Field(
        default=Policy.survey_days,
        description="`survey.due` comes this long after the first order; 0: off.",
    )
    onboarding_days: DaysOrOff = Field(
        default=Policy.onboarding_days,
        description="`onboarding.stalled` comes this long after the first order without a "
        "`product.activated`; 0: off, as it is for shops that do not send that event.",
    )
    renewal_notice_days: DaysOrOff = Field(
        default=Policy.renewal_notice_days,
        description="`contract.renewal_due` comes this long before the renewal; 0: off.",
    )
    incentive_days: DaysOrOff = Field(
        default=Policy.incentive_days,
        description="The interval of `incentive.due` while a customer is established; 0: off.",
    )
    answer_hours: HoursOrOff = Field(
        default=Policy.answer_hours,
        description="`complaint.overdue` comes after a complaint is unanswered for this long; "
        "0: off.",
    )
    notice_days: DaysOrOff = Field(
        default=Policy.notice_days,
        description="`phase.change_due` comes this long before time alone changes a phase; 0: off.",
    )
    horizon_days: HorizonDays = Field(
        default=Policy.horizon_days,
        description="Cadence: the time ahead in which a purchase is expected or not.",
    )
    risk_probability: Probability = Field(
        default=Policy.risk_probability,
        description="Cadence: at risk once the probability of no purchase within the horizon "
        "exceeds this.",
    )
    inactive_probability: Probability = Field(
        default=Policy.inactive_probability,
        description="Cadence: inactive once that probability exceeds this; more than "
        "risk_probability.",
    )
    min_at_risk_days: LeastDays = Field(
        default=Policy.min_at_risk_days,
        description="Cadence: nobody is at risk sooner than this after an order.",
    )
    discount_rate: YearlyRate = Field(
        default=Policy.discount_rate,
        description="How much less later margin is worth in the customer lifetime value.",
    )
    default_margin_rate: Share = Field(
        default=Policy.default_margin_rate,
        description="The margin's share of revenue where no margin is known.",
    )
    free_orders_count: bool = Field(
        default=Policy.free_orders_count,
        description="Whether an order with a total of 0 is a purchase; if not, it is activity.",
    )

    @field_validator("inactive_days", "inactive_probability")
    @classmethod
    def _comes_after(cls, value: float, info: ValidationInfo) -> float:
        """Being at risk comes before being inactive."""
        other = "at_risk_days" if info.field_name == "inactive_days" else "risk_probability"
        if other in info.data and info.data[other] >= value:
            names: dict[str, Any] = {"other": other, "field": str(info.field_name)}
            raise PydanticCustomError("order", "{other} must be less than {field}", names)
        return value

    @classmethod
    def of(cls, policy: Policy) -> "PolicyDocument":
        """The document of a policy, unchecked: what was once stored can always be read."""
        return cls.model_construct(**{name: getattr(policy, name) for name in cls.model_fields})

    def policy(self) -> Policy:
        """The policy that this document describes; version 1 where it names none."""
        return Policy(**{**self.model_dump(), "version": self.version or 1})


def next_version(taken: Collection[int]) -> int:
    """The version after the greatest one taken; if there can be none, the least that is free."""
    after = max(taken, default=0) + 1
    if after <= MAX_VERSION:
        return after
    return next(free for free in count(1) if free not in taken)


def differing_fields(one: Policy, other: Policy) -> list[str]:
    """The fields in which two policies differ, except name and version, in the document's order."""
    return [
        name
        for name in PolicyDocument.model_fields
        if name not in {"name", "version"} and getattr(one, name) != getattr(other, name)
    ]


def load_policy(path: Path | None) -> Policy | None:
    """Read the policy in a file, if one is given.

    Raises Misconfigured naming the file and every wrong field.
    """
    if path is None:
        return None
    try:
        return PolicyDocument.model_validate(tomllib.loads(path.read_text())).policy()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"policy file {path} cannot be read: {error}") from error
    except ValidationError as error:
        raise Misconfigured(f"policy file {path}: {_wrong_fields(error)}") from error


def _wrong_fields(error: ValidationError) -> str:
    """Every wrong field, and what is wrong with it."""
    wrong = []
    for detail in error.errors():
        field = ".".join(map(str, detail["loc"])) or "policy"
        wrong.append(f"{field}: {detail['msg']}")
    return "; ".join(wrong)


def main() -> None:
    """Check a policy file: `python -m services.lifecycle.policies.document FILE`."""
    try:
        load_policy(Path(sys.argv[1]))
    except Misconfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
