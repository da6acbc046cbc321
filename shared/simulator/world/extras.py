"""What a simulated shop does only on request: orders that change, and people who are two."""

from dataclasses import dataclass

from shared.simulator.world import parameters


@dataclass(frozen=True, slots=True)
class Extras:
    """How often each of it happens; the default is a shop where orders stay as they are.

    `edited` and `reinstated` are shares of orders, `refunds_repeated` and `refunds_withdrawn` of
    refunds, `merged` of customers, and `unmerged` of merges. `refund_ids` gives refunds an id;
    those that may be repeated or withdrawn have one anyway.
    """

    edited: float = 0.0
    reinstated: float = 0.0
    refund_ids: bool = False
    refunds_repeated: float = 0.0
    refunds_withdrawn: float = 0.0
    merged: float = parameters.MERGED
    unmerged: float = 0.0

    @property
    def names_refunds(self) -> bool:
        """Do refunds carry an id?"""
        return self.refund_ids or self.refunds_repeated > 0 or self.refunds_withdrawn > 0


NO_EXTRAS = Extras()
"""The usual shop."""
