"""Policies as people write them: in a TOML file, or in the body of a request."""

import sys
import tomllib
from collections.abc import Collection
from itertools import count
from pathlib import Path
from typing import Annotated, Final, Literal

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

Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=100, pattern=r"^[\p{L}\p{N}](?:[^\p{C}\p{Zl}\p{Zp}/])*$"
    ),
]
Days = Annotated[int, Field(gt=0, le=36_500, json_schema_extra=_DAYS)]
DaysOrOff = Annotated[int, Field(ge=0, le=36_500, json_schema_extra=_DAYS)]
Hours = Annotated[int, Field(gt=0, le=8760, json_schema_extra=_HOURS)]
HoursOrOff = Annotated[int, Field(ge=0, le=8760, json_schema_extra=_HOURS)]
Orders = Annotated[int, Field(ge=2, le=1_000_000, json_schema_extra=_ORDERS)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, json_schema_extra=_SHARE)]
Probability = Annotated[
    float, Field(gt=0, lt=1, allow_inf_nan=False, json_schema_extra={"unit": "probability"})
]


def next_version(taken: Collection[int]) -> int:
    """The version after the greatest that is taken; once that is the greatest there can be, the least that is free."""
    after = max(taken, default=0) + 1
    return after if after <= MAX_VERSION else next(free for free in count(1) if free not in taken)


class PolicyDocument(BaseModel):
    """A policy; what is left out is as in the built-in one. Days are 24 hours."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)

    name: Name = Field(default=Policy.name, description="Which policy this is a version of.")
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)] | None = Field(
        default=None, description="Which version; left out: the next one of the name.", examples=[1]
    )
    account: Literal["b2c", "b2b"] | None = Field(
        default=None,
        description="The kind of account it judges; null: all that have no policy of their own.",
    )
    currency: Currency = Field(
        default=Policy.currency, description="The currency of rules about value (ISO 4217)."
    )
    silence: Literal["fixed", "cadence", "auto"] = Field(
        default="fixed",
        description="How long a silence is long: `fixed` days; `cadence`, the customer's own rhythm; `auto`, cadence "
        "as soon as a fit is accepted.",
    )
    at_risk_days: Days = Field(
        default=Policy.at_risk_days,
        description="Without an order for so long, a customer is at risk.",
    )
    inactive_days: Days = Field(
        default=Policy.inactive_days,
        description="Without an order for so long, a customer is inactive; more than at_risk_days.",
    )
    established_after_orders: Orders = Field(
        default=Policy.established_after_orders,
        description="With so many orders a new customer is established.",
    )
    settle_after_orders: Orders = Field(
        default=Policy.settle_after_orders,
        description="With so many orders since the return, that one included, who was won back is established.",
    )
    former_after_inactive_days: Days = Field(
        default=Policy.former_after_inactive_days,
        description="Inactive for so long, a customer is a former one.",
    )
    prospect_days: Days = Field(
        default=Policy.prospect_days,
        description="Without any event for so long, a prospect is inactive.",
    )
    advocate_days: Days = Field(
        default=Policy.advocate_days,
        description="A recommendation or praise makes an advocate for so long.",
    )
    complaint_overdue_hours: Hours = Field(
        default=Policy.complaint_overdue_hours,
        description="A complaint unanswered for so long puts at risk.",
    )
    revenue_decline_share: Share = Field(
        default=Policy.revenue_decline_share,
        description="At risk when the revenue of 90 days is less than this share of that of the 90 before; 0: off.",
    )
    contact_days: DaysOrOff = Field(
        default=Policy.contact_days,
        description="At risk without a session, click or page for so long; 0: off.",
    )
    renewal_grace_days: DaysOrOff = Field(
        default=Policy.renewal_grace_days,
        description="A contract may be renewed so long after its end.",
    )
    act_within_days: Days = Field(
        default=Policy.act_within_days,
        description="What is noticed later than this is historical: nobody acts on it.",
    )
    active_days: Days = Field(
        default=Policy.active_days,
        description="Who acted within so long is active in the model `activity`.",
    )
    survey_days: DaysOrOff = Field(
        default=Policy.survey_days,
        description="`survey.due` so long after the first order; 0: off.",
    )
    onboarding_days: DaysOrOff = Field(
        default=Policy.onboarding_days,
        description="`onboarding.stalled` so long after the first order without a product put to use; 0: off.",
    )
    renewal_notice_days: DaysOrOff = Field(
        default=Policy.renewal_notice_days,
        description="`contract.renewal_due` so long before the renewal; 0: off.",
    )
    incentive_days: DaysOrOff = Field(
        default=Policy.incentive_days,
        description="`incentive.due` so often while established; 0: off.",
    )
    answer_hours: HoursOrOff = Field(
        default=Policy.answer_hours,
        description="`complaint.overdue` so long after a complaint unanswered; 0: off.",
    )
    notice_days: DaysOrOff = Field(
        default=Policy.notice_days,
        description="`phase.change_due` so long before time alone changes a phase; 0: off.",
    )
    horizon_days: Annotated[int, Field(gt=0, le=3650, json_schema_extra=_DAYS)] = Field(
        default=Policy.horizon_days,
        description="Cadence: the time ahead in which a purchase is expected or not.",
    )
    risk_probability: Probability = Field(
        default=Policy.risk_probability,
        description="Cadence: at risk once the probability of no purchase within the horizon exceeds this.",
    )
    inactive_probability: Probability = Field(
        default=Policy.inactive_probability,
        description="Cadence: inactive once it exceeds this; more than risk_probability.",
    )
    min_at_risk_days: Annotated[int, Field(gt=0, le=1796, json_schema_extra=_DAYS)] = Field(
        default=Policy.min_at_risk_days,
        description="Cadence: nobody is at risk sooner than this after an order.",
    )
    discount_rate: Annotated[
        float, Field(ge=0, le=10, allow_inf_nan=False, json_schema_extra={"unit": "a year"})
    ] = Field(
        default=Policy.discount_rate,
        description="By how much later margin is worth less in the customer value.",
    )
    default_margin_rate: Share = Field(
        default=Policy.default_margin_rate,
        description="The margin's share of revenue where no margin is known.",
    )

    @field_validator("inactive_days", "inactive_probability")
    @classmethod
    def _comes_after(cls, value: float, info: ValidationInfo) -> float:
        """Being at risk comes before being inactive."""
        other = "at_risk_days" if info.field_name == "inactive_days" else "risk_probability"
        if other in info.data and info.data[other] >= value:
            told = {"other": other, "field": str(info.field_name)}
            raise PydanticCustomError("order", "{other} must be less than {field}", told)
        return value

    @classmethod
    def of(cls, policy: Policy) -> "PolicyDocument":
        """The document of a policy; it is not checked again, so that what was once stored can always be read."""
        return cls.model_construct(**{name: getattr(policy, name) for name in cls.model_fields})

    def policy(self) -> Policy:
        """The policy that this document says; version 1 where it names none."""
        return Policy(**{**self.model_dump(), "version": self.version or 1})


def load_policy(path: Path | None) -> Policy | None:
    """The policy in a file, if there is one. Raises Misconfigured naming the file and every wrong field."""
    if path is None:
        return None
    try:
        return PolicyDocument.model_validate(tomllib.loads(path.read_text())).policy()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"policy file {path} cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg']}" for e in error.errors()
        )
        raise Misconfigured(f"policy file {path}: {wrong}") from error


def main() -> None:
    """Check a policy file before anything is started: `python -m services.lifecycle.policies.document FILE`."""
    try:
        load_policy(Path(sys.argv[1]))
    except Misconfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
