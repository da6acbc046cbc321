"""The use case of figures: the program in numbers."""

from services.referral.api.context import ApiContext
from services.referral.clocks import least_clock
from services.referral.domain.claims import State
from services.referral.domain.rewards import RewardState
from services.referral.figures.repository import count_claims, count_codes, count_rewards
from services.referral.figures.schemas import CountsView


class FigureService:
    """Counts codes, claims and rewards."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def count(self) -> CountsView:
        """The numbers of codes, of claims by state and of rewards by state."""
        pool = self._context.pool
        clock = await least_clock(pool)
        claims = await count_claims(pool, clock)
        rewards = await count_rewards(pool)
        return CountsView(
            as_of=clock,
            codes=await count_codes(pool),
            claims={state: claims.get(state, 0) for state in State},
            rewards={state: rewards.get(state, 0) for state in RewardState},
        )
