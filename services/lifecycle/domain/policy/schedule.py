"""Which policy is in force when: activations in the order of their instants, and the fits of the cadence model."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple, Protocol

from services.lifecycle.domain.policy.cadence import Fit
from services.lifecycle.domain.policy.policy import Policy


class Policies(Protocol):
    """Where the fold looks for the policy that judges; `known` is the greatest number of what it knows."""

    @property
    def known(self) -> int:
        """The number of the latest activation or fit that is known."""

    def at(self, instant: datetime, account: str | None = None, /) -> Policy:
        """The policy in force for a kind of account."""

    def next_change(self, instant: datetime, account: str | None = None, /) -> datetime | None:
        """The first instant after this one at which another activation comes into force."""

    def since(self, known: int, /) -> datetime | None:
        """The earliest instant of an activation or fit with a greater number."""

    @property
    def keeps_sales(self) -> bool:
        """Does any policy watch revenue, so that recent orders must be known?"""

    @property
    def shortest_silence(self) -> timedelta:
        """No deadline of silence lies nearer to the order that it is measured from."""

    @property
    def gives_notice(self) -> bool:
        """Does any policy announce what time will bring?"""

    @property
    def quiet(self) -> "Policies":
        """The same without hints."""


class Activation(NamedTuple):
    """From `at` on, customers of the policy's kind of account are judged by it."""

    number: int
    at: datetime
    policy: Policy


class Schedule:
    """All activations and fits known. A policy for a kind of account, once there is one, comes before those for all."""

    def __init__(self, activations: Iterable[Activation], fits: Iterable[Fit] = ()) -> None:
        self.fits = tuple(sorted(fits, key=lambda fit: (fit.effective_at, fit.version)))
        made = sorted(activations, key=lambda activation: (activation.at, activation.number))
        self.keeps_sales = any(activation.policy.revenue_decline_share for activation in made)
        self.activations = tuple(
            activation._replace(
                policy=replace(activation.policy, fits=self.fits, keeps_sales=self.keeps_sales)
            )
            for activation in made
        )
        if all(activation.policy.account for activation in self.activations):
            raise ValueError("a schedule has at least one policy for all accounts")
        numbers = [activation.number for activation in self.activations] + [
            fit.version for fit in self.fits
        ]
        self.known = max(numbers)
        self._only = self.activations[0].policy if len(self.activations) == 1 else None
        self._by_account: dict[str | None, tuple[Sequence[datetime], Sequence[Policy]]] = {}

    def at(self, instant: datetime, account: str | None = None) -> Policy:
        """The policy in force for a kind of account; before the first activation that of the first."""
        if self._only is not None:
            return self._only
        instants, policies = self._of(account)
        return (
            policies[-1]
            if instant >= instants[-1]
            else policies[max(bisect_right(instants, instant) - 1, 0)]
        )

    def next_change(self, instant: datetime, account: str | None = None) -> datetime | None:
        """The first instant after this one at which another activation comes into force."""
        if self._only is not None:
            return None
        instants, _ = self._of(account)
        if instant >= instants[-1]:
            return None
        return instants[bisect_right(instants, instant)]

    def since(self, known: int) -> datetime | None:
        """The earliest instant of an activation or fit with a greater number."""
        instants = [activation.at for activation in self.activations if activation.number > known]
        instants += [fit.effective_at for fit in self.fits if fit.version > known]
        return min(instants, default=None)

    @cached_property
    def shortest_silence(self) -> timedelta:
        """No deadline of silence lies nearer to the order that it is measured from, whatever policy is in force."""
        return min(activation.policy.shortest_silence for activation in self.activations)

    @cached_property
    def gives_notice(self) -> bool:
        """Does any policy announce what time will bring?"""
        return any(activation.policy.gives_notice for activation in self.activations)

    @cached_property
    def quiet(self) -> "Schedule":
        """The same without hints."""
        return Schedule([a._replace(policy=a.policy.quiet) for a in self.activations], self.fits)

    def _of(self, account: str | None) -> tuple[Sequence[datetime], Sequence[Policy]]:
        found = self._by_account.get(account)
        if found is None:
            special = [
                a for a in self.activations if account is not None and a.policy.account == account
            ]
            ours = [a for a in self.activations if a.policy.account is None]
            ours = [a for a in ours if not special or a.at < special[0].at] + special
            found = self._by_account[account] = [a.at for a in ours], [a.policy for a in ours]
        return found
