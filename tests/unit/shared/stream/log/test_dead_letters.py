"""When the brake on bad records goes on."""

import pytest

from shared.stream.log.dead_letters import IN_A_ROW, SHARE, WINDOW, Brake


def test_a_hundred_in_a_row_are_too_many_and_one_good_record_begins_a_new_row() -> None:
    brake = Brake()
    assert [brake.bad() for _ in range(IN_A_ROW - 1)] == [None] * (IN_A_ROW - 1)
    brake.good()
    assert brake.bad() is None
    again = Brake()
    reasons = [again.bad() for _ in range(IN_A_ROW)]
    assert reasons[-1] == "100 dead letters in a row"
    assert not any(reasons[:-1])


@pytest.mark.parametrize(("bad", "stops"), [(int(SHARE * WINDOW), False), (30, True)])
def test_a_share_counts_once_the_window_is_full(bad: int, stops: bool) -> None:
    brake = Brake()
    for _ in range(bad - 1):
        brake.good()
        assert brake.bad() is None
    for _ in range(WINDOW - 2 * bad + 1):
        brake.good()
    assert (brake.bad() is not None) is stops


def test_what_was_long_ago_counts_less_and_less() -> None:
    brake = Brake()
    for _ in range(9):
        brake.good()
        brake.bad()
    for _ in range(4 * WINDOW):
        brake.good()
    assert [brake.bad() for _ in range(8)] == [None] * 8
