"""Settings of lifecycle, and the policy file."""

import sys
import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.lifecycle.domain.policy import Policy
from shared.errors import Misconfigured
from shared.settings import Settings

Days = Annotated[int, Field(gt=0, le=36_500, strict=True)]
DaysOrOff = Annotated[int, Field(ge=0, le=36_500, strict=True)]
Hours = Annotated[int, Field(gt=0, le=8760, strict=True)]
Orders = Annotated[int, Field(ge=2, le=1_000_000, strict=True)]


class LifecycleSettings(Settings):
    """What the lifecycle service needs beyond the common settings."""

    timers_per_batch: int = Field(default=2000, ge=1, description="Most deadlines applied in one transaction.")
    customers_in_memory: int = Field(default=100_000, ge=1, description="Customers whose state a worker keeps.")
    events_in_memory: int = Field(default=1_000_000, ge=1, description="Event identities that a worker keeps.")


class PolicyFile(BaseModel):
    """A policy as TOML; what is left out is as in the built-in policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=100)] = "default"
    version: Annotated[int, Field(ge=1, strict=True)] = 1
    at_risk_days: Days = Policy.at_risk_days
    inactive_days: Days = Policy.inactive_days
    established_after_orders: Orders = Policy.established_after_orders
    settle_after_orders: Orders = Policy.settle_after_orders
    former_after_inactive_days: Days = Policy.former_after_inactive_days
    prospect_days: Days = Policy.prospect_days
    advocate_days: Days = Policy.advocate_days
    complaint_overdue_hours: Hours = Policy.complaint_overdue_hours
    revenue_decline_share: Annotated[float, Field(ge=0, le=1)] = Policy.revenue_decline_share
    contact_days: DaysOrOff = Policy.contact_days
    renewal_grace_days: DaysOrOff = Policy.renewal_grace_days
    act_within_days: Days = Policy.act_within_days
    active_days: Days = Policy.active_days
    survey_days: DaysOrOff = Policy.survey_days
    onboarding_days: DaysOrOff = Policy.onboarding_days
    renewal_notice_days: DaysOrOff = Policy.renewal_notice_days
    incentive_days: DaysOrOff = Policy.incentive_days
    answer_hours: Annotated[int, Field(ge=0, le=8760, strict=True)] = Policy.answer_hours
    notice_days: DaysOrOff = Policy.notice_days

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.at_risk_days >= self.inactive_days:
            raise ValueError("at_risk_days must be less than inactive_days")
        return self


def load_policy(path: Path | None) -> Policy:
    """The policy in a file, or the built-in one. Raises Misconfigured naming the file and every wrong field."""
    if path is None:
        return Policy()
    try:
        return Policy(**PolicyFile.model_validate(tomllib.loads(path.read_text())).model_dump())
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"policy file {path} cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'policy'}: {e['msg']}" for e in error.errors())
        raise Misconfigured(f"policy file {path}: {wrong}") from error


def main() -> None:
    """Check a policy file before anything is started: `python -m services.lifecycle.settings FILE`."""
    try:
        load_policy(Path(sys.argv[1]))
    except Misconfigured as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
