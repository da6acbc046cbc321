"""Settings of referral: the terms of the program."""

from typing import Annotated

from pydantic import Field

from services.referral.domain.claims import Terms
from shared.settings import Settings

Amount = Annotated[int, Field(ge=0, le=10**12)]


class ReferralSettings(Settings):
    """What referral needs beyond the common settings; new terms hold for new claims only."""

    reward_recommender: Amount = Field(
        default=1000,
        description="Reward of the recommender, in minor units of the order's currency.",
    )
    reward_referee: Amount = Field(
        default=500, description="Reward of the referee, in minor units likewise."
    )
    minimum_order: Amount = Field(
        default=0, description="Least total of a first order that earns rewards, likewise."
    )
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
    def terms(self) -> Terms:
        """What a claim recorded now promises."""
        return Terms(
            claim_days=self.claim_days,
            minimum_order=self.minimum_order,
            return_window_days=self.return_window_days,
            recommender_reward=self.reward_recommender,
            referee_reward=self.reward_referee,
        )
