"""Other models of the customer life cycle: what each calls each of the eight phases."""

from collections.abc import Collection, Mapping
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
    """What a model may need to know besides the phase, as of an instant."""

    SIGNED_UP = "signed_up"
    ACTIVATED = "activated"
    """A product was put to use."""
    ACTED = "acted"
    """The customer has acted, bought, clicked or paid within the last `active_days`."""


@dataclass(frozen=True, slots=True)
class PhaseLabel:
    """What a model calls a phase: a stable code, and the words for it."""

    code: str
    english: str
    german: str


@dataclass(frozen=True, slots=True)
class ConditionalLabel:
    """A label that depends on whether a fact holds."""

    fact: CustomerFact
    if_not: PhaseLabel
    if_held: PhaseLabel


LabelCell: TypeAlias = PhaseLabel | ConditionalLabel
"""A cell of the table of models and phases."""
_Labels: TypeAlias = Mapping[Phase, LabelCell]
"""One model: a label for every phase."""

_AWARENESS: Final = PhaseLabel("awareness", "awareness", "Aufmerksamkeit")
_CONVERSION: Final = PhaseLabel("conversion", "conversion", "Konversion")
_PURCHASE: Final = PhaseLabel("purchase", "purchase", "Kauf")
_ACTIVATION: Final = PhaseLabel("activation", "activation", "Aktivierung")
_RENEWAL: Final = PhaseLabel("renewal", "renewal", "Erneuerung")
_REFERRAL: Final = PhaseLabel("referral", "referral", "Weiterempfehlung")
_CONVERSION_IF_SIGNED_UP: Final = ConditionalLabel(
    CustomerFact.SIGNED_UP, if_not=_AWARENESS, if_held=_CONVERSION
)
_ACTIVATION_IF_ACTIVATED: Final = ConditionalLabel(
    CustomerFact.ACTIVATED, if_not=_PURCHASE, if_held=_ACTIVATION
)

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
_ACTIVE_IF_ACTED: Final = ConditionalLabel(CustomerFact.ACTED, if_not=_PASSIVE, if_held=_ACTIVE)

PHASE_LABELS: Final[_Labels] = MappingProxyType(
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

_SIX_PHASE: Final[_Labels] = MappingProxyType(
    {
        Phase.PROSPECT: _CONVERSION_IF_SIGNED_UP,
        Phase.NEW: _ACTIVATION_IF_ACTIVATED,
        Phase.ESTABLISHED: _RENEWAL,
        Phase.ADVOCATE: _REFERRAL,
        Phase.AT_RISK: _RENEWAL,
        Phase.INACTIVE: _RENEWAL,
        Phase.FORMER: _AWARENESS,
        Phase.WON_BACK: _ACTIVATION_IF_ACTIVATED,
    }
)
_FIVE_PHASE: Final[_Labels] = MappingProxyType(
    {
        Phase.PROSPECT: _PROSPECT,
        Phase.NEW: _NEW,
        Phase.ESTABLISHED: _EXISTING,
        Phase.ADVOCATE: _EXISTING,
        Phase.AT_RISK: _EXISTING,
        Phase.INACTIVE: _INACTIVE,
        Phase.FORMER: _FORMER,
        Phase.WON_BACK: _EXISTING,
    }
)
_THREE_STAGE: Final[_Labels] = MappingProxyType(
    {
        Phase.PROSPECT: _ACQUISITION,
        Phase.NEW: _ACQUISITION,
        Phase.ESTABLISHED: _RETENTION,
        Phase.ADVOCATE: _RETENTION,
        Phase.AT_RISK: _RETENTION,
        Phase.INACTIVE: _REACTIVATION,
        Phase.FORMER: _REACTIVATION,
        Phase.WON_BACK: _RETENTION,
    }
)
_CXM: Final[_Labels] = MappingProxyType(
    {
        Phase.PROSPECT: _INITIATION,
        Phase.NEW: _ACTIVE,
        Phase.ESTABLISHED: _ACTIVE,
        Phase.ADVOCATE: _ACTIVE,
        Phase.AT_RISK: _ACTIVE,
        Phase.INACTIVE: _PASSIVE,
        Phase.FORMER: _PASSIVE,
        Phase.WON_BACK: _ACTIVE,
    }
)
_ACTIVITY: Final[_Labels] = MappingProxyType(dict.fromkeys(Phase, _ACTIVE_IF_ACTED))

LABELS: Final[Mapping[Model | None, _Labels]] = MappingProxyType(
    {
        None: PHASE_LABELS,
        Model.SIX_PHASE: _SIX_PHASE,
        Model.FIVE_PHASE: _FIVE_PHASE,
        Model.THREE_STAGE: _THREE_STAGE,
        Model.CXM: _CXM,
        Model.ACTIVITY: _ACTIVITY,
    }
)
"""What each model calls each phase; None is the phases themselves."""


def label_for(model: Model | None, phase: Phase, facts: Collection[CustomerFact]) -> PhaseLabel:
    """Return what the model calls a customer in this phase of whom these facts hold."""
    cell = LABELS[model][phase]
    if isinstance(cell, PhaseLabel):
        return cell
    return cell.if_held if cell.fact in facts else cell.if_not


def labels_of(model: Model | None) -> tuple[PhaseLabel, ...]:
    """Return all labels of a model, each once, in the order of the life cycle."""
    labels: dict[PhaseLabel, None] = {}
    for cell in LABELS[model].values():
        if isinstance(cell, PhaseLabel):
            labels[cell] = None
        else:
            labels |= {cell.if_not: None, cell.if_held: None}
    return tuple(labels)


def facts_needed(model: Model | None) -> frozenset[CustomerFact]:
    """Return the facts that the model needs in some phase."""
    return frozenset(fact_by_phase(model).values())


def fact_by_phase(model: Model | None) -> dict[Phase, CustomerFact]:
    """Return the phases in which the model needs a fact, and which."""
    return {
        phase: cell.fact
        for phase, cell in LABELS[model].items()
        if isinstance(cell, ConditionalLabel)
    }


def _lasting_facts() -> frozenset[tuple[Phase, CustomerFact]]:
    needed = [item for model in Model for item in fact_by_phase(model).items()]
    return frozenset(item for item in needed if item[1] is not CustomerFact.ACTED)


LASTING_FACTS: Final = _lasting_facts()
"""Pairs of a phase and a fact that some model needs in it and that, once true, stays true."""


def activity_label(model: Model | None) -> ConditionalLabel | None:
    """Return the only cell of a model that asks nothing but whether the customer has acted.

    None for models that look at the phase.
    """
    cells = set(LABELS[model].values())
    if len(cells) > 1:
        return None
    cell = cells.pop()
    if isinstance(cell, ConditionalLabel) and cell.fact is CustomerFact.ACTED:
        return cell
    return None
