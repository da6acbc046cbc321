"""Whose events are whose, when ids merge and part in any order, and words of it cross."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.lifecycle.domain.state.merges import (
    NO_MERGES,
    Ending,
    Hop,
    Merges,
    endings,
    is_newer,
    unmerges_of_nobody,
)
from shared.identities import Identities, Merge, MergeKey
from tests.support.merge_network import Copy, MergeNetwork, Node, Told, way_of

IDS: Final = "abcde"
ids = st.sampled_from(IDS)


def key(second: int, *, unmerge: bool = False, source: str = "/shop", id: str = "m") -> MergeKey:
    return datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC), unmerge, source, id


def told(merges: Merges, at: MergeKey, into: str | None) -> Merges:
    return merges.with_merge(Merge("a", into, at[0], *at[2:]))


def hop(customer: str, second: int) -> Hop:
    time, _, source, id = key(second)
    return Hop(customer, time, source, id)


@pytest.mark.parametrize(
    ("told", "into"),
    [
        ([(key(1), "b")], "b"),
        ([(key(1), "b"), (key(2, unmerge=True), None)], None),
        ([(key(2, unmerge=True), None), (key(1), "b")], None),
        ([(key(2), "b"), (key(1, unmerge=True), None)], "b"),
        ([(key(1, unmerge=True), None), (key(1), "b")], None),
        ([(key(1), "b"), (key(2), "c")], "c"),
        ([(key(2), "c"), (key(1), "b")], "c"),
        ([(key(1), "b"), (key(2, unmerge=True), None), (key(3), "c")], "c"),
        ([(key(1, id="m1"), "b"), (key(1, id="m2"), "c")], "c"),
        ([(key(1, source="/z"), "b"), (key(1, source="/a"), "c")], "b"),
    ],
)
def test_the_latest_merge_or_unmerge_decides(
    told: list[tuple[MergeKey, str | None]], into: str | None
) -> None:
    merges = NO_MERGES
    for at, target in told:
        merges = merges.with_merge(Merge("a", target, at[0], *at[2:]))
    assert merges.into == into


def test_a_further_merge_into_the_same_id_ends_nothing() -> None:
    once = told(NO_MERGES, key(1), "b")
    twice = told(once, key(2), "b")
    assert twice.next_hop("a") == once.next_hop("a") == hop("a", 1)
    assert list(endings("a", once, twice)) == []
    parted = told(twice, key(3, unmerge=True), None)
    assert list(endings("a", twice, parted)) == [("b", Ending("a", key(3, unmerge=True)))]


def test_events_of_a_merge_that_is_over_are_not_admitted_however_late_they_come() -> None:
    merges = NO_MERGES.with_ending(Ending("a", key(2, unmerge=True)))
    assert not merges.admits("b", [hop("a", 1)])
    assert not merges.admits("b", [hop("a", 2), hop("c", 9)]), "the merge stood before the unmerge"
    assert merges.admits("b", [hop("a", 3)])
    assert merges.admits("b", [hop("c", 1)])
    assert merges.with_ending(Ending("a", key(1))) == merges, "an earlier ending says nothing new"


def test_an_event_that_comes_back_to_where_it_was_is_not_admitted() -> None:
    assert not NO_MERGES.admits("b", [hop("a", 1), hop("b", 2), hop("c", 3)])


def test_endings_are_passed_on_while_the_id_is_merged() -> None:
    ending = Ending("a", key(5, unmerge=True))
    merged = told(NO_MERGES, key(1), "c")
    assert list(endings("b", merged, merged.with_ending(ending))) == [("c", ending)]
    assert list(endings("b", NO_MERGES, NO_MERGES.with_ending(ending))) == []
    parted = told(merged.with_ending(ending), key(6, unmerge=True), None)
    assert [to for to, _ in endings("b", merged, parted)] == ["c"], "one word ends all of it"


def test_of_two_ways_the_one_by_the_later_merge_is_newer() -> None:
    assert is_newer([hop("a", 2), hop("c", 1)], [hop("a", 1), hop("b", 9)])
    assert is_newer([hop("a", 1), hop("b", 3)], [hop("a", 1), hop("b", 2), hop("d", 9)])
    assert not is_newer([hop("a", 1)], [hop("a", 1)])


def test_an_unmerge_of_an_id_that_is_not_merged_is_told() -> None:
    first, merge, parted, again = (
        Merge("a", into, key(second)[0], "/shop", "m")
        for second, into in ((1, None), (2, "b"), (3, None), (4, None))
    )
    assert unmerges_of_nobody([again, parted, merge, first]) == [first.key, again.key]


def test_an_event_stays_if_its_new_way_is_known_before_its_old_one_ends() -> None:
    """`a` goes by way of `b`, then of `c`, to `d`; word that `b` has lost it comes last."""
    network = MergeNetwork({customer: Node() for customer in IDS})
    for told in (Told("b", 1, "d", "m1"), Told("c", 1, "d", "m2"), Told("a", 1, "b", "m3")):
        network.receive(told.customer, [told])
    network.receive("a", [Copy("a", "e")])
    network.deliver([0])
    network.deliver([0])
    assert network.nodes["d"].events.keys() == {("a", "e")}
    network.receive("a", [Told("a", 2, "c", "m4")])
    network.deliver([1])
    network.deliver([1])
    assert [type(letter) for _, letter in network.waiting] == [Ending]
    settle(network, [])
    assert network.nodes["d"].events.keys() == {("a", "e")}
    assert network.nodes["b"].events == {}


actions = st.one_of(
    st.builds(lambda customer, id: Copy(customer, f"e{id}"), ids, st.integers(0, 3)),
    st.builds(Told, ids, st.integers(0, 9), st.one_of(st.none(), ids)),
    st.lists(st.integers(0, 50), min_size=1, max_size=6),
)


@settings(max_examples=800, deadline=None)
@given(st.lists(actions, max_size=40), st.lists(st.integers(0, 10**6), max_size=20))
def test_every_event_ends_where_its_id_does(
    steps: list[Copy | Told | list[int]], repeats: list[int]
) -> None:
    network = MergeNetwork({customer: Node() for customer in IDS})
    events = set()
    for place, step in enumerate(steps):
        if isinstance(step, Copy):
            events.add((step.origin, step.id))
            network.post(step.origin, step)
        elif isinstance(step, Told):
            network.post(step.customer, step._replace(id=f"m{place}"))
        else:
            network.deliver(step)
    settle(network, repeats)
    identities = Identities(network.accepted)
    into = {id: network.nodes[id].merges.into for id in IDS}
    for customer in IDS:
        merges = network.nodes[customer].merges
        assert (merges.merged_into is not None) is identities.is_merged(customer)
        belonging = {one for one in events if customer in way_of(one[0], into)}
        assert network.nodes[customer].events.keys() == belonging
        if not identities.is_merged(customer):
            members = identities.members(customer)
            assert belonging == {one for one in events if one[0] in members}


def settle(network: MergeNetwork, repeats: Sequence[int]) -> None:
    """Deliver everything; then some letters again, and what follows from them."""
    places = list(repeats) or [0]
    while network.waiting:
        network.deliver(places[:3])
        places = [*places[1:], places[0]]
    for place in repeats:
        if network.sent:
            network.waiting.append(network.sent[place % len(network.sent)])
    while network.waiting:
        network.deliver([0, 1, 2])
