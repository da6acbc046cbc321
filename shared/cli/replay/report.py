"""What the demonstrations show at the end: events sent, phases, win-back and referral."""

from collections.abc import Mapping

from rich.table import Table

from shared.cli.console import say, show_table
from shared.cli.replay.sender import Tally
from shared.cli.stack import RunningStack
from shared.cli.tables.counts import counts_table, show_side_by_side
from shared.client.reactivation import CaseView


def show_tally(tally: Tally, seconds: float) -> None:
    """Print how many events were accepted and rejected, how fast, and the first rejections."""
    speed = tally.sent / max(seconds, 0.001)
    say(
        f"{tally.accepted:,} events accepted, {tally.rejected:,} rejected; "
        f"processed in {seconds:.1f} s ({speed:,.0f} events/s)"
    )
    if not tally.first_rejections:
        return
    table = Table("Line", "Id", "Code", "Field", "Message")
    for rejected in tally.first_rejections:
        table.add_row(
            str(rejected.line), rejected.id, rejected.code, rejected.field, rejected.message
        )
    show_table("First rejected events", table)


async def show_life_cycle(stack: RunningStack) -> None:
    """Print customers by phase, transitions by rule, causes of risk and hints given."""
    async with stack.lifecycle() as lifecycle:
        phases = await lifecycle.count_phases()
        as_of = phases["as_of"]
        transitions = await lifecycle.count_transitions(as_of=as_of)
        causes = await lifecycle.count_causes(as_of=as_of)
        hints = await lifecycle.count_hints(as_of=as_of)
    show_side_by_side(
        f"Life cycle, as of {as_of}",
        counts_table("Phase", "Customers", phases["counts"]),
        counts_table("Rule", "Transitions", _most_first(transitions["counts"])),
    )
    show_side_by_side(
        "Why customers became at risk, and what the shop was told to do",
        counts_table("Cause", "Moves", _most_first(causes["counts"])),
        counts_table("Hint", "Given", _most_first(hints["counts"])),
    )


async def show_winback(stack: RunningStack) -> None:
    """Print cases and offers by state, and one case that was won back, if reactivation runs."""
    if not stack.has_reactivation:
        return
    async with stack.reactivation() as reactivation:
        counts = await reactivation.count_cases()
        won_back = await reactivation.list_cases(state="won_back", limit=1)
    show_side_by_side(
        f"Win-back, as of {counts['as_of']}",
        counts_table("Case", "Number", counts["cases"]),
        counts_table("Offer", "Number", counts["offers"]),
    )
    for case in won_back["items"]:
        say(_story(case))


async def show_referrals(stack: RunningStack) -> None:
    """Print claims and rewards by state, if referral runs."""
    if not stack.has_referral:
        return
    async with stack.referral() as referral:
        counts = await referral.count()
    show_side_by_side(
        f"Referral with {counts['codes']:,} codes, as of {counts['as_of']}",
        counts_table("Claim", "Number", counts["claims"]),
        counts_table("Reward", "Number", counts["rewards"]),
    )


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _story(case: CaseView) -> str:
    """The story of a case that was won back, in one line."""
    offer = case["offer"]
    assert offer is not None  # noqa: S101  (nobody is won back without an offer)
    lapsed = str(case["opened_at"])[:10]
    returned = str(case["closed_at"])[:10]
    expiry = str(offer["expires_at"])[:10]
    how = "with" if case["with_code"] else "without"
    return (
        f"For example {case['customer']}: {case['trigger']['to']} {lapsed}, "
        f"offered {offer['incentive']['value']} % off until {expiry}; "
        f"came back {returned} {how} it."
    )
