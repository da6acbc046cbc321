"""What the demonstration shows in the end: phases and transitions, win-back, and where to ask for more."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from shared.cli.api import Api
from shared.cli.common import console, say, show
from shared.cli.customers import counts_table
from shared.local.state import StackState
from shared.services import LIFECYCLE, PROCESSES, REACTIVATION, REFERRAL


async def show_life_cycle(state: StackState, key: str) -> None:
    """Customers by phase beside transitions by rule, causes of being at risk and hints given."""
    async with Api(state.url(LIFECYCLE), key) as lifecycle:
        phases = await lifecycle.get("/v1/phases")
        transitions, causes, hints = [
            await lifecycle.get(f"/v1/{what}/counts", as_of=phases["as_of"])
            for what in ("transitions", "causes", "hints")
        ]
    _side_by_side(
        f"Life cycle, as of {phases['as_of']}",
        counts_table("Phase", "Customers", phases["counts"]),
        counts_table("Rule", "Transitions", _most_first(transitions["counts"])),
    )
    _side_by_side(
        "Why customers became at risk, and what the shop was told to do",
        counts_table("Cause", "Moves", _most_first(causes["counts"])),
        counts_table("Hint", "Given", _most_first(hints["counts"])),
    )


async def show_winback(state: StackState, key: str) -> None:
    """Cases and offers by state, and one case that went well, where reactivation runs."""
    if REACTIVATION not in state.urls:
        return
    async with Api(state.url(REACTIVATION), key) as reactivation:
        counts = await reactivation.get("/v1/cases/counts")
        won_back = await reactivation.get("/v1/cases", state="won_back", limit="1")
    _side_by_side(
        f"Win-back, as of {counts['as_of']}",
        counts_table("Case", "Number", counts["cases"]),
        counts_table("Offer", "Number", counts["offers"]),
    )
    for case in won_back["items"]:
        say(_example(case))


async def show_referrals(state: StackState, key: str) -> None:
    """Claims and rewards by state, where referral runs."""
    if REFERRAL not in state.urls:
        return
    async with Api(state.url(REFERRAL), key) as referral:
        counts = await referral.get("/v1/referrals/counts")
    _side_by_side(
        f"Referral with {counts['codes']:,} codes, as of {counts['as_of']}",
        counts_table("Claim", "Number", counts["claims"]),
        counts_table("Reward", "Number", counts["rewards"]),
    )


def show_addresses(state: StackState, key: str, *, example: str) -> None:
    """Where each API answers, and a line to paste that asks lifecycle about a customer."""
    table = Table()
    table.add_column("API", no_wrap=True)
    table.add_column("URL", no_wrap=True)
    for process in PROCESSES:
        if process.port_offset is not None and process.name in state.urls:
            table.add_row(process.name, f"{state.urls[process.name]}/v1")
    show("Ask for yourself", table)
    line = f"curl -H 'Authorization: Bearer {key}' {state.url(LIFECYCLE)}/v1/customers/{example}"
    console.print(line, markup=False, soft_wrap=True, style="cyan")


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _example(case: Mapping[str, Any]) -> str:
    """The story of a case that was won back, in one line."""
    offer = case["offer"]
    lapse, returned, expiry = (instant[:10] for instant in (case["opened_at"], case["closed_at"], offer["expires_at"]))
    offered = f"offered {offer['incentive']['value']} % off until {expiry}"
    how = "with" if case["with_code"] else "without"
    return f"For example {case['customer']}: {case['trigger']['to']} {lapse}, {offered}; came back {returned} {how} it."


def _side_by_side(title: str, *tables: Table) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*tables)
    show(title, grid)
