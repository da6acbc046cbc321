"""Settings of reactivation: what is offered, for how long, and the secret behind the codes."""

from pydantic import Field

from services.reactivation.domain.cases import Terms
from shared.settings import CodeSecret, Settings


class ReactivationSettings(Settings):
    """What reactivation needs beyond the common settings; new terms hold for new cases only."""

    offer_percent: int = Field(
        default=10, ge=1, le=100, description="The incentive: percent off one order."
    )
    offer_days: int = Field(
        default=30, ge=1, le=3650, description="How long a code is valid, from the lapse on."
    )
    attribution_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="How long an order without the code counts as a return after the offer.",
    )
    case_cooldown_days: int = Field(
        default=90, ge=0, le=3650, description="No new case so long after the last one."
    )
    reservation_minutes: int = Field(
        default=30, ge=1, le=10_080, description="How long a code is reserved for an order."
    )
    code_secret: CodeSecret
    offers_to_closed: bool = Field(
        default=False, description="Customers who have closed their account get offers, too."
    )
    free_orders_count: bool = Field(
        default=True, description="An order of 0 is a purchase; set it as lifecycle's policy does."
    )
    timers_per_batch: int = Field(
        default=2000, ge=1, description="Most deadlines applied in one transaction."
    )

    @property
    def terms(self) -> Terms:
        """The terms under which cases are opened."""
        return Terms(
            secret=self.code_secret.get_secret_value().encode(),
            percent=self.offer_percent,
            offer_days=self.offer_days,
            attribution_days=self.attribution_days,
            cooldown_days=self.case_cooldown_days,
            reservation_minutes=self.reservation_minutes,
            offers_to_closed=self.offers_to_closed,
            free_orders_count=self.free_orders_count,
        )
