"""Other models as views of the phases: each total, each cell as it was decided."""

from typing import Final

import pytest

from services.lifecycle.domain.phase_models import (
    LABELS,
    ConditionalLabel,
    CustomerFact,
    LabelCell,
    Model,
    PhaseLabel,
    activity_label,
    facts_needed,
    label_for,
    labels_of,
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
NOTHING: Final[frozenset[CustomerFact]] = frozenset()
DECIDED: Final = [
    (
        Model.SIX_PHASE,
        NOTHING,
        "awareness purchase renewal referral renewal renewal awareness purchase",
    ),
    (
        Model.SIX_PHASE,
        {CustomerFact.SIGNED_UP},
        "conversion purchase renewal referral renewal renewal awareness purchase",
    ),
    (
        Model.SIX_PHASE,
        {CustomerFact.ACTIVATED},
        "awareness activation renewal referral renewal renewal awareness activation",
    ),
    (
        Model.FIVE_PHASE,
        NOTHING,
        "prospect new_customer existing_customer existing_customer existing_customer"
        " inactive_customer former_customer existing_customer",
    ),
    (
        Model.THREE_STAGE,
        NOTHING,
        "acquisition acquisition retention retention retention reactivation reactivation retention",
    ),
    (Model.CXM, NOTHING, "initiation active active active active passive passive active"),
    (Model.ACTIVITY, NOTHING, " ".join(["passive"] * 8)),
    (Model.ACTIVITY, {CustomerFact.ACTED}, " ".join(["active"] * 8)),
    (None, NOTHING, " ".join(PHASES)),
]


@pytest.mark.parametrize(("model", "facts", "codes"), DECIDED)
def test_each_phase_is_what_was_decided(
    model: Model | None, facts: set[CustomerFact], codes: str
) -> None:
    assert [label_for(model, Phase(phase), facts).code for phase in PHASES] == codes.split()


@pytest.mark.parametrize("model", [None, *Model])
def test_every_view_is_total_and_its_codes_and_labels_tell_views_apart(model: Model | None) -> None:
    assert set(LABELS[model]) == set(Phase)
    known = labels_of(model)
    assert {
        label_for(model, phase, facts)
        for phase in Phase
        for facts in (NOTHING, frozenset(CustomerFact))
    } == set(known)
    for name in ("code", "english", "german"):
        assert len({getattr(found, name) for found in known}) == len(known)


def test_a_model_asks_for_no_more_than_it_uses() -> None:
    assert {model: facts_needed(model) for model in Model if facts_needed(model)} == {
        Model.SIX_PHASE: {CustomerFact.SIGNED_UP, CustomerFact.ACTIVATED},
        Model.ACTIVITY: {CustomerFact.ACTED},
    }


def test_whether_somebody_has_acted_is_asked_of_all_phases_alike_or_of_none() -> None:
    assert {model for model in Model if CustomerFact.ACTED in facts_needed(model)} == {
        Model.ACTIVITY
    }
    assert {model for model in Model if activity_label(model)} == {Model.ACTIVITY}


def words(cell: LabelCell) -> str:
    def one(found: PhaseLabel) -> str:
        return f"`{found.code}` {found.german}"

    return (
        f"{one(cell.if_not)}; {one(cell.if_held)} if {cell.fact}"
        if isinstance(cell, ConditionalLabel)
        else one(cell)
    )


@pytest.mark.parametrize("phase", Phase)
def test_the_page_shows_the_table_of_the_code(phase: Phase) -> None:
    cells = [
        f"`{phase}` {words(LABELS[None][phase]).partition(' ')[2]}",
        *(words(LABELS[m][phase]) for m in Model),
    ]
    assert f"| {' | '.join(cells)} |" in PAGE
