"""Which ids are one customer: what was said decides, in whatever order it becomes known."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.identities import Identities, Merge, holding_merge, new_merges
from tests.support.builders import day


def merged(n: float, id: str, into: str | None) -> Merge:
    return Merge(id, into, day(n), "/shop", f"{id} {into} {n}")


TABLE: list[tuple[str, list[Merge], dict[str, str]]] = [
    ("a chain", [merged(1, "a", "b"), merged(2, "b", "c")], {"a": "c", "b": "c", "c": "c"}),
    ("a chain from its end", [merged(1, "b", "c"), merged(2, "a", "b")], {"a": "c", "b": "c"}),
    ("unmerged", [merged(1, "a", "b"), merged(2, "a", None)], {"a": "a", "b": "b"}),
    ("unmerged before", [merged(1, "a", None), merged(2, "a", "b")], {"a": "b"}),
    (
        "unmerged in the middle",
        [merged(1, "a", "b"), merged(2, "b", "c"), merged(3, "b", None)],
        {"a": "b", "b": "b", "c": "c"},
    ),
    (
        "merged into another",
        [merged(1, "a", "b"), merged(2, "a", None), merged(3, "a", "c")],
        {"a": "c", "b": "b"},
    ),
    ("the later one counts", [merged(1, "a", "b"), merged(2, "a", "c")], {"a": "c", "b": "b"}),
    ("of one instant the later id", [merged(1, "a", "b"), merged(1, "a", "c")], {"a": "c"}),
    ("parted in the same instant", [merged(1, "a", "b"), merged(1, "a", None)], {"a": "a"}),
    ("a circle", [merged(1, "a", "b"), merged(2, "b", "a")], {"a": "b", "b": "b"}),
    ("a circle of one instant", [merged(1, "a", "b"), merged(1, "b", "a")], {"a": "b", "b": "b"}),
    (
        "a circle that one merge closes again",
        [merged(1, "a", "b"), merged(2, "b", "a"), merged(3, "a", "b")],
        {"a": "b", "b": "b"},
    ),
    (
        "a circle turned round: parted, then merged the other way",
        [merged(1, "a", "b"), merged(2, "a", None), merged(3, "b", "a")],
        {"a": "a", "b": "a"},
    ),
    (
        "a circle whose first merge is taken back: the other one holds",
        [merged(1, "a", "b"), merged(2, "b", "a"), merged(3, "a", None)],
        {"a": "a", "b": "a"},
    ),
    (
        "a circle whose last merge is taken back",
        [merged(1, "a", "b"), merged(2, "b", "a"), merged(3, "b", None)],
        {"a": "b", "b": "b"},
    ),
    (
        "a circle that opens towards another id",
        [merged(1, "a", "b"), merged(2, "b", "a"), merged(3, "a", "c")],
        {"a": "c", "b": "c", "c": "c"},
    ),
    (
        "a long circle",
        [merged(1, "a", "b"), merged(2, "b", "c"), merged(3, "c", "a"), merged(4, "d", "a")],
        {"a": "c", "b": "c", "c": "c", "d": "c"},
    ),
    ("into itself", [merged(1, "a", "a")], {"a": "a"}),
    ("into itself, after a merge", [merged(1, "a", "b"), merged(2, "a", "a")], {"a": "b"}),
    ("never merged", [merged(1, "a", None)], {"a": "a"}),
]


@pytest.mark.parametrize(
    ("merges", "survivors"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_every_id_leads_to_the_one_that_stays(
    merges: list[Merge], survivors: dict[str, str]
) -> None:
    for shuffled in permutations(merges):
        identities = Identities(shuffled)
        assert {id: identities.survivor(id) for id in survivors} == survivors
        for id, survivor in survivors.items():
            assert identities.is_merged(id) is (id != survivor)
            assert id in identities.members(survivor)


def test_the_members_of_a_customer_and_its_last_merge_are_known() -> None:
    merges = [merged(1, "a", "b"), merged(5, "c", "b"), merged(7, "c", "b"), merged(9, "x", "y")]
    identities = Identities([*merges, merged(8, "a", None)])
    assert identities.members("b") == identities.members("c") == {"b", "c"}
    assert identities.members("z") == {"z"}
    assert identities.all_members(["c", "z"]) == {"b", "c", "z"}
    assert identities.survivors == {"b", "y"}
    assert identities.merged == {"a", "c", "x"}
    assert identities.merged_at("b") == day(5), "a further merge into the same id changes nothing"
    assert identities.changed_at("c") == day(7)
    assert identities.changed_at("a") == day(8)
    assert (identities.merged_at("z"), identities.changed_at("z")) == (None, None)


def test_of_two_with_one_identity_the_first_counts() -> None:
    first = Merge("a", "b", day(1), "/shop", "m")
    other = Merge("a", "c", day(2), "/shop", "m")
    same_id = Merge("x", "c", day(2), "/shop", "m")
    assert new_merges([], [first, other, first, same_id]) == [first, same_id]
    assert new_merges([first], [other]) == []


IDS = "abcde"
ids = st.sampled_from(IDS)
some_merges = st.lists(st.builds(merged, st.integers(0, 8), ids, st.none() | ids), max_size=12)


@settings(max_examples=400, deadline=None)
@given(some_merges, st.randoms(use_true_random=False))
def test_any_order_and_repeats_give_the_same_customers(merges: list[Merge], random: Random) -> None:
    shuffled = [*merges, *merges[:3]]
    random.shuffle(shuffled)
    assert survivors(Identities(shuffled)) == survivors(Identities(merges))


@settings(max_examples=400, deadline=None)
@given(some_merges)
def test_all_ids_that_holding_merges_connect_are_one_customer(merges: list[Merge]) -> None:
    identities = Identities(merges)
    found = survivors(identities)
    holding = [holding_merge(m for m in merges if m.customer == id) for id in IDS]
    for merge in holding:
        assert merge is None or found[merge.customer] == found[merge.into or ""]
    customers = set(found.values())
    assert {id for id in IDS if not identities.is_merged(id)} == customers
    assert all(found[survivor] == survivor for survivor in customers)
    members = sorted(id for survivor in customers for id in identities.members(survivor))
    assert members == list(IDS)
    nobody = [id for id, merge in zip(IDS, holding, strict=True) if merge is None]
    closed = [id for id in customers if id not in nobody]
    for id in closed:
        own = next(merge for merge in holding if merge and merge.customer == id)
        circle = _circle(id, {merge.customer: merge for merge in holding if merge})
        assert own == max(circle, key=lambda merge: (merge.key, merge.customer))


def survivors(identities: Identities) -> dict[str, str]:
    return {id: identities.survivor(id) for id in IDS}


def _circle(id: str, holding: dict[str, Merge]) -> list[Merge]:
    circle = [holding[id]]
    while circle[-1].into != id:
        circle.append(holding[circle[-1].into or ""])
    return circle
