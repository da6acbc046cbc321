"""Settings of referral: the terms of the program, and the secret behind the codes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.referral.domain.terms import CurrencyTerms, Terms
from shared.events.customer_ids import NO_CUSTOMERS
from shared.events.money import Currency
from shared.settings import CodeSecret, Settings, Words

Amount = Annotated[int, Field(ge=0, le=10**12)]


class CurrencyReward(BaseModel):
    """The program in one currency; amounts are in its minor units (1000 is 10.00 EUR, 1000 JPY)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recommender: Amount = Field(description="Reward of the recommender.")
    referee: Amount = Field(description="Reward of the referee.")
    minimum_order: int = Field(
        ge=1, le=10**12, description="Least total of a first order that earns them."
    )

    @property
    def terms(self) -> CurrencyTerms:
        """What a claim recorded now promises for an order in this currency."""
        return CurrencyTerms(self.recommender, self.referee, self.minimum_order)


_TEN_AND_FIVE: Final = CurrencyReward(recommender=1000, referee=500, minimum_order=1000)
_REWARDS: Final[Mapping[str, CurrencyReward]] = MappingProxyType(
    dict.fromkeys(("EUR", "CHF", "GBP", "USD"), _TEN_AND_FIVE)
)


class ReferralSettings(Settings):
    """What referral needs beyond the common settings; new terms hold for new claims only."""

    rewards: dict[Currency, CurrencyReward] = Field(
        default=dict(_REWARDS),
        description="The program by currency, as JSON; an order in another one earns nothing.",
    )
    no_customers: Words = Field(
        default=frozenset(NO_CUSTOMERS),
        description="Words, with commas between them, that are no customer ids in any case; "
        "the same as those of ingest.",
    )
    code_secret: CodeSecret
    claim_days: int = Field(
        default=90, ge=1, le=3650, description="How long a claim waits for the first order."
    )
    return_window_days: int = Field(
        default=14,
        ge=0,
        le=3650,
        description="Days until a reward is available, if the order does not say.",
    )
    timers_per_batch: int = Field(
        default=2000, ge=1, description="Most deadlines applied in one transaction."
    )

    @property
    def code_secret_bytes(self) -> bytes:
        """The key of new referral codes."""
        return self.code_secret.get_secret_value().encode()

    @property
    def terms(self) -> Terms:
        """What a claim recorded now promises."""
        return Terms(
            claim_days=self.claim_days,
            return_window_days=self.return_window_days,
            currencies={currency: reward.terms for currency, reward in self.rewards.items()},
        )
