"""Other models as views of the phases: each total, each cell as it was decided."""

from typing import Final

import pytest

from services.lifecycle.domain.phase_models import (
    VIEWS,
    Asked,
    Cell,
    Fact,
    Model,
    View,
    by_acts,
    needs,
    view,
    views,
)
from services.lifecycle.domain.state.phases import Phase
from tests.support.checkout import ROOT

PAGE: Final = (ROOT / "docs" / "views.md").read_text()
PHASES: Final = (
    "prospect",
    "new",
    "established",
    "advocate",
    "at_risk",
    "inactive",
    "former",
    "won_back",
)
NOTHING: Final[frozenset[Fact]] = frozenset()
DECIDED: Final = [
    (Model.SIX_PHASE, NOTHING, "awareness purchase renewal referral renewal renewal awareness purchase"),
    (Model.SIX_PHASE, {Fact.SIGNED_UP}, "conversion purchase renewal referral renewal renewal awareness purchase"),
    (Model.SIX_PHASE, {Fact.ACTIVATED}, "awareness activation renewal referral renewal renewal awareness activation"),
    (
        Model.FIVE_PHASE, NOTHING,
        "prospect new_customer existing_customer existing_customer existing_customer inactive_customer"
        " former_customer existing_customer",
    ),
    (
        Model.THREE_STAGE, NOTHING,
        "acquisition acquisition retention retention retention reactivation reactivation retention",
    ),
    (Model.CXM, NOTHING, "initiation active active active active passive passive active"),
    (Model.ACTIVITY, NOTHING, " ".join(["passive"] * 8)),
    (Model.ACTIVITY, {Fact.ACTED}, " ".join(["active"] * 8)),
    (None, NOTHING, " ".join(PHASES)),
]  # fmt: skip


@pytest.mark.parametrize(("model", "facts", "codes"), DECIDED)
def test_each_phase_is_what_was_decided(model: Model | None, facts: set[Fact], codes: str) -> None:
    assert [view(model, Phase(phase), facts).code for phase in PHASES] == codes.split()


@pytest.mark.parametrize("model", [None, *Model])
def test_every_view_is_total_and_its_codes_and_labels_tell_views_apart(model: Model | None) -> None:
    assert set(VIEWS[model]) == set(Phase)
    known = views(model)
    assert {
        view(model, phase, facts) for phase in Phase for facts in (NOTHING, frozenset(Fact))
    } == set(known)
    for name in ("code", "english", "german"):
        assert len({getattr(found, name) for found in known}) == len(known)


def test_a_model_asks_for_no_more_than_it_uses() -> None:
    assert {model: needs(model) for model in Model if needs(model)} == {
        Model.SIX_PHASE: {Fact.SIGNED_UP, Fact.ACTIVATED},
        Model.ACTIVITY: {Fact.ACTED},
    }


def test_whether_somebody_has_acted_is_asked_of_all_phases_alike_or_of_none() -> None:
    assert {model for model in Model if Fact.ACTED in needs(model)} == {Model.ACTIVITY}
    assert {model for model in Model if by_acts(model)} == {Model.ACTIVITY}


def words(cell: Cell) -> str:
    def one(found: View) -> str:
        return f"`{found.code}` {found.german}"

    return (
        f"{one(cell.without)}; {one(cell.given)} if {cell.fact}"
        if isinstance(cell, Asked)
        else one(cell)
    )


@pytest.mark.parametrize("phase", Phase)
def test_the_page_shows_the_table_of_the_code(phase: Phase) -> None:
    cells = [
        f"`{phase}` {words(VIEWS[None][phase]).partition(' ')[2]}",
        *(words(VIEWS[m][phase]) for m in Model),
    ]
    assert f"| {' | '.join(cells)} |" in PAGE
