"""A move may have any number of causes; what is published of them is bounded."""

from services.lifecycle.domain.fold import fold
from tests.support.batches import SCHEDULE, incoming
from tests.support.builders import day, event, order

MANY = 60


def test_of_many_causes_the_first_are_told_and_the_others_counted() -> None:
    complaints = [
        event("anna", "complaint.opened", 1, id=f"c-{n}", complaint_id=f"c-{n:02}", severity=1)
        for n in range(MANY)
    ]
    life = [order("anna", 0), *complaints]
    moves = fold([incoming(each).content for each in life], SCHEDULE, until=day(2)).moves
    profile = moves[-1].profile
    assert moves[-1].to == "at_risk"
    assert profile.causes == tuple(f"complaint:c-{n:02}" for n in range(50))
    assert profile.more_causes == MANY - 50
