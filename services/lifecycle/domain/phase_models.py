"""Other models of the customer life cycle, each a view of the same eight phases: one table, total over the phases."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from services.lifecycle.domain.state.phases import Phase


class Model(StrEnum):
    """A model of the literature."""

    SIX_PHASE = "six_phase"
    FIVE_PHASE = "five_phase"
    THREE_STAGE = "three_stage"
    CXM = "cxm"
    ACTIVITY = "activity"


class CustomerFact(StrEnum):
    """What a view may ask beside the phase, each as of an instant."""

    SIGNED_UP = "signed_up"
    ACTIVATED = "activated"
    """A product was put to use."""
    ACTED = "acted"
    """The customer has acted, bought, clicked or paid within the last `active_days`."""


@dataclass(frozen=True, slots=True)
class PhaseLabel:
    """A stable code, and its labels."""

    code: str
    english: str
    german: str


@dataclass(frozen=True, slots=True)
class ConditionalLabel:
    """A cell of the table that depends on a fact."""

    fact: CustomerFact
    without: PhaseLabel
    given: PhaseLabel


LabelCell: TypeAlias = PhaseLabel | ConditionalLabel

_AWARENESS: Final = PhaseLabel("awareness", "awareness", "Aufmerksamkeit")
_CONVERSION: Final = PhaseLabel("conversion", "conversion", "Konversion")
_PURCHASE: Final = PhaseLabel("purchase", "purchase", "Kauf")
_ACTIVATION: Final = PhaseLabel("activation", "activation", "Aktivierung")
_RENEWAL: Final = PhaseLabel("renewal", "renewal", "Erneuerung")
_REFERRAL: Final = PhaseLabel("referral", "referral", "Weiterempfehlung")
_BUYING: Final = ConditionalLabel(CustomerFact.ACTIVATED, _PURCHASE, _ACTIVATION)

_PROSPECT: Final = PhaseLabel("prospect", "prospect", "Interessent")
_NEW: Final = PhaseLabel("new_customer", "new customer", "Neukunde")
_EXISTING: Final = PhaseLabel("existing_customer", "existing customer", "Bestandskunde")
_INACTIVE: Final = PhaseLabel("inactive_customer", "inactive customer", "inaktiver Kunde")
_FORMER: Final = PhaseLabel("former_customer", "former customer", "ehemaliger Kunde")

_ACQUISITION: Final = PhaseLabel("acquisition", "acquisition", "Akquise")
_RETENTION: Final = PhaseLabel("retention", "retention", "Bindung")
_REACTIVATION: Final = PhaseLabel("reactivation", "reactivation", "Reaktivierung")

_INITIATION: Final = PhaseLabel("initiation", "initiation", "Anbahnung")
_ACTIVE: Final = PhaseLabel("active", "active", "aktiv")
_PASSIVE: Final = PhaseLabel("passive", "passive", "passiv")
_BY_ACTS: Final = ConditionalLabel(CustomerFact.ACTED, _PASSIVE, _ACTIVE)

PHASE_LABELS: Final[Mapping[Phase, LabelCell]] = MappingProxyType(
    {
        Phase.PROSPECT: PhaseLabel(Phase.PROSPECT, "prospect", "Interessent"),
        Phase.NEW: PhaseLabel(Phase.NEW, "new customer", "Neukunde"),
        Phase.ESTABLISHED: PhaseLabel(Phase.ESTABLISHED, "established customer", "Stammkunde"),
        Phase.ADVOCATE: PhaseLabel(Phase.ADVOCATE, "advocate", "Fürsprecher"),
        Phase.AT_RISK: PhaseLabel(Phase.AT_RISK, "at risk", "abwanderungsgefährdet"),
        Phase.INACTIVE: PhaseLabel(Phase.INACTIVE, "inactive customer", "inaktiver Kunde"),
        Phase.FORMER: PhaseLabel(Phase.FORMER, "former customer", "ehemaliger Kunde"),
        Phase.WON_BACK: PhaseLabel(Phase.WON_BACK, "won-back customer", "zurückgewonnener Kunde"),
    }
)
"""The phases themselves, where no model is asked for."""

# In the order of: prospect, new, established, advocate, at_risk, inactive, former, won_back.
_ROWS: Final[Mapping[Model, tuple[LabelCell, ...]]] = MappingProxyType(
    {
        Model.SIX_PHASE: (
            ConditionalLabel(CustomerFact.SIGNED_UP, _AWARENESS, _CONVERSION), _BUYING, _RENEWAL, _REFERRAL,
            _RENEWAL, _RENEWAL, _AWARENESS, _BUYING,
        ),
        Model.FIVE_PHASE: (_PROSPECT, _NEW, _EXISTING, _EXISTING, _EXISTING, _INACTIVE, _FORMER, _EXISTING),
        Model.THREE_STAGE: (
            _ACQUISITION, _ACQUISITION, _RETENTION, _RETENTION, _RETENTION, _REACTIVATION, _REACTIVATION, _RETENTION,
        ),
        Model.CXM: (_INITIATION, _ACTIVE, _ACTIVE, _ACTIVE, _ACTIVE, _PASSIVE, _PASSIVE, _ACTIVE),
        Model.ACTIVITY: (_BY_ACTS,) * len(Phase),
    }
)  # fmt: skip

LABELS: Final[Mapping[Model | None, Mapping[Phase, LabelCell]]] = MappingProxyType(
    {
        None: PHASE_LABELS,
        **{
            model: MappingProxyType(dict(zip(Phase, row, strict=True)))
            for model, row in _ROWS.items()
        },
    }
)
"""What each phase is called in each model; None is the phases themselves."""


def label_for(model: Model | None, phase: Phase, facts: Collection[CustomerFact]) -> PhaseLabel:
    """What a customer in this phase, of whom these facts hold, is in the model."""
    cell = LABELS[model][phase]
    if isinstance(cell, PhaseLabel):
        return cell
    return cell.given if cell.fact in facts else cell.without


def labels_of(model: Model | None) -> tuple[PhaseLabel, ...]:
    """All views of a model, in the order of the life cycle."""
    return tuple(dict.fromkeys(found for cell in LABELS[model].values() for found in _of(cell)))


def facts_needed(model: Model | None) -> frozenset[CustomerFact]:
    """The facts that the model asks for in some phase."""
    return frozenset(
        cell.fact for cell in LABELS[model].values() if isinstance(cell, ConditionalLabel)
    )


def fact_by_phase(model: Model | None) -> dict[Phase, CustomerFact]:
    """The phases in which the model asks for a fact, and for which."""
    return {
        phase: cell.fact
        for phase, cell in LABELS[model].items()
        if isinstance(cell, ConditionalLabel)
    }


LASTING_FACTS: Final[frozenset[tuple[Phase, CustomerFact]]] = frozenset(
    (phase, fact)
    for model in Model
    for phase, fact in fact_by_phase(model).items()
    if fact is not CustomerFact.ACTED
)
"""The phases in which some model asks for a fact that holds for ever once it does, and that fact."""


def activity_label(model: Model | None) -> ConditionalLabel | None:
    """The cell of a model that asks of every phase alike whether the customer has acted; None for other models."""
    first, *others = LABELS[model].values()
    if (
        isinstance(first, ConditionalLabel)
        and first.fact is CustomerFact.ACTED
        and all(other == first for other in others)
    ):
        return first
    return None


def _of(cell: LabelCell) -> Iterator[PhaseLabel]:
    if isinstance(cell, PhaseLabel):
        yield cell
    else:
        yield from (cell.without, cell.given)
