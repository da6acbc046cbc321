"""What the demonstration shows in the end: phases and transitions, win-back, and where to ask for more."""

from collections.abc import Mapping

from rich.table import Table

from shared.cli.commands.customers import counts_table
from shared.cli.console import console, say, show
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.reactivation import AsyncReactivationClient, CaseView
from shared.client.referral import AsyncReferralClient
from shared.local.home import StackState
from shared.processes import LIFECYCLE, PROCESSES, REACTIVATION, REFERRAL


async def show_life_cycle(state: StackState, key: str) -> None:
    """Customers by phase beside transitions by rule, causes of being at risk and hints given."""
    async with AsyncLifecycleClient(state.url(LIFECYCLE), key) as lifecycle:
        phases = await lifecycle.count_phases()
        transitions = await lifecycle.count_transitions(as_of=phases["as_of"])
        causes = await lifecycle.count_causes(as_of=phases["as_of"])
        hints = await lifecycle.count_hints(as_of=phases["as_of"])
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
    async with AsyncReactivationClient(state.url(REACTIVATION), key) as reactivation:
        counts = await reactivation.count_cases()
        won_back = await reactivation.list_cases(state="won_back", limit=1)
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
    async with AsyncReferralClient(state.url(REFERRAL), key) as referral:
        counts = await referral.count()
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


def _example(case: CaseView) -> str:
    """The story of a case that was won back, in one line."""
    offer = case["offer"]
    lapse, returned, expiry = (
        str(instant)[:10] for instant in (case["opened_at"], case["closed_at"], offer["expires_at"])
    )
    offered = f"offered {offer['incentive']['value']} % off until {expiry}"
    how = "with" if case["with_code"] else "without"
    return f"For example {case['customer']}: {case['trigger']['to']} {lapse}, {offered}; came back {returned} {how} it."


def _side_by_side(title: str, *tables: Table) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*tables)
    show(title, grid)
