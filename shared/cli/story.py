"""The parts of the demonstration beyond phases: win-back, and a referral played with a few customers."""

from shared.local.state import StackState
from shared.services import REACTIVATION, REFERRAL


async def show_winback(state: StackState, _key: str) -> None:
    """Win-back cases and offers, where reactivation runs."""
    if REACTIVATION not in state.urls:
        return


async def show_referral(state: StackState, _key: str) -> None:
    """From a recommendation to both rewards, where referral runs."""
    if REFERRAL not in state.urls:
        return
