"""Which policy is in force when: the activations of policies, and the fits of the cadence model."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple, Protocol, TypeAlias

from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy


class Policies(Protocol):
    """Where the fold looks up the policy that is in force."""

    @property
    def known(self) -> int:
        """The greatest number of an activation or fit that is known."""

    def at(self, instant: datetime, account: str | None = None, /) -> Policy:
        """Return the policy in force for a kind of account."""

    def next_change(self, instant: datetime, account: str | None = None, /) -> datetime | None:
        """Return the first instant after this one at which another activation is in force."""

    def since(self, known: int, /) -> datetime | None:
        """Return the earliest instant of an activation or fit with a greater number."""

    @property
    def keeps_sales(self) -> bool:
        """Does any policy watch revenue, so that recent orders must be known?"""

    @property
    def shortest_silence(self) -> timedelta:
        """No deadline of silence is nearer than this to the order that it is measured from."""

    @property
    def gives_notice(self) -> bool:
        """Does any policy announce what time will bring?"""

    @property
    def quiet(self) -> "Policies":
        """The same policies without hints."""


class Activation(NamedTuple):
    """From `at` on, customers of the policy's kind of account are judged by it."""

    number: int
    at: datetime
    policy: Policy


_Timeline: TypeAlias = tuple[Sequence[datetime], Sequence[Policy]]
"""The instants of activations in their order, and the policy of each."""


class Schedule:
    """All activations and fits known.

    A policy for one kind of account, from its activation on, comes before those for all.
    """

    def __init__(self, activations: Iterable[Activation], fits: Iterable[Fit] = ()) -> None:
        in_order = sorted(activations, key=lambda activation: (activation.at, activation.number))
        self.fits = tuple(sorted(fits, key=lambda fit: (fit.effective_at, fit.version)))
        self.keeps_sales = any(a.policy.revenue_decline_share for a in in_order)
        self.activations = tuple(map(self._complete, in_order))
        if all(activation.policy.account for activation in self.activations):
            raise ValueError("a schedule has at least one policy for all accounts")
        numbers = [activation.number for activation in self.activations]
        versions = [fit.version for fit in self.fits]
        self.known = max(numbers + versions)
        self._only = self.activations[0].policy if len(self.activations) == 1 else None
        self._by_account: dict[str | None, _Timeline] = {}

    def _complete(self, activation: Activation) -> Activation:
        policy = replace(activation.policy, fits=self.fits, keeps_sales=self.keeps_sales)
        return activation._replace(policy=policy)

    def at(self, instant: datetime, account: str | None = None) -> Policy:
        """Return the policy in force for a kind of account.

        Before the first activation it is that of the first.
        """
        if self._only is not None:
            return self._only
        instants, policies = self._timeline(account)
        if instant >= instants[-1]:
            return policies[-1]
        return policies[max(bisect_right(instants, instant) - 1, 0)]

    def next_change(self, instant: datetime, account: str | None = None) -> datetime | None:
        """Return the first instant after this one at which another activation is in force."""
        if self._only is not None:
            return None
        instants, _ = self._timeline(account)
        if instant >= instants[-1]:
            return None
        return instants[bisect_right(instants, instant)]

    def since(self, known: int) -> datetime | None:
        """Return the earliest instant of an activation or fit with a greater number."""
        activated = [activation.at for activation in self.activations if activation.number > known]
        fitted = [fit.effective_at for fit in self.fits if fit.version > known]
        return min(activated + fitted, default=None)

    @cached_property
    def shortest_silence(self) -> timedelta:
        """No deadline of silence is nearer to its order than this, whatever policy is in force."""
        return min(activation.policy.shortest_silence for activation in self.activations)

    @cached_property
    def gives_notice(self) -> bool:
        """Does any policy announce what time will bring?"""
        return any(activation.policy.gives_notice for activation in self.activations)

    @cached_property
    def quiet(self) -> "Schedule":
        """The same schedule without hints."""
        return Schedule([a._replace(policy=a.policy.quiet) for a in self.activations], self.fits)

    def _timeline(self, account: str | None) -> _Timeline:
        timeline = self._by_account.get(account)
        if timeline is None:
            activations = self._activations_for(account)
            instants = [activation.at for activation in activations]
            timeline = instants, [activation.policy for activation in activations]
            self._by_account[account] = timeline
        return timeline

    def _activations_for(self, account: str | None) -> list[Activation]:
        """Return those for all accounts until the first for this one, and then those for it."""
        general = [a for a in self.activations if a.policy.account is None]
        if account is None:
            return general
        special = [a for a in self.activations if a.policy.account == account]
        if not special:
            return general
        return [a for a in general if a.at < special[0].at] + special
