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


class Fact(StrEnum):
    """What a view may ask beside the phase, each as of an instant."""

    SIGNED_UP = "signed_up"
    ACTIVATED = "activated"
    """A product was put to use."""
    ACTED = "acted"
    """The customer has acted, bought, clicked or paid within the last `active_days`."""


@dataclass(frozen=True, slots=True)
class View:
    """A stable code, and its labels."""

    code: str
    english: str
    german: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A cell of the table that depends on a fact."""

    fact: Fact
    without: View
    given: View


Cell: TypeAlias = View | Asked

_AWARENESS: Final = View("awareness", "awareness", "Aufmerksamkeit")
_CONVERSION: Final = View("conversion", "conversion", "Konversion")
_PURCHASE: Final = View("purchase", "purchase", "Kauf")
_ACTIVATION: Final = View("activation", "activation", "Aktivierung")
_RENEWAL: Final = View("renewal", "renewal", "Erneuerung")
_REFERRAL: Final = View("referral", "referral", "Weiterempfehlung")
_BUYING: Final = Asked(Fact.ACTIVATED, _PURCHASE, _ACTIVATION)

_PROSPECT: Final = View("prospect", "prospect", "Interessent")
_NEW: Final = View("new_customer", "new customer", "Neukunde")
_EXISTING: Final = View("existing_customer", "existing customer", "Bestandskunde")
_INACTIVE: Final = View("inactive_customer", "inactive customer", "inaktiver Kunde")
_FORMER: Final = View("former_customer", "former customer", "ehemaliger Kunde")

_ACQUISITION: Final = View("acquisition", "acquisition", "Akquise")
_RETENTION: Final = View("retention", "retention", "Bindung")
_REACTIVATION: Final = View("reactivation", "reactivation", "Reaktivierung")

_INITIATION: Final = View("initiation", "initiation", "Anbahnung")
_ACTIVE: Final = View("active", "active", "aktiv")
_PASSIVE: Final = View("passive", "passive", "passiv")
_BY_ACTS: Final = Asked(Fact.ACTED, _PASSIVE, _ACTIVE)

PHASES: Final[Mapping[Phase, Cell]] = MappingProxyType(
    {
        Phase.PROSPECT: View(Phase.PROSPECT, "prospect", "Interessent"),
        Phase.NEW: View(Phase.NEW, "new customer", "Neukunde"),
        Phase.ESTABLISHED: View(Phase.ESTABLISHED, "established customer", "Stammkunde"),
        Phase.ADVOCATE: View(Phase.ADVOCATE, "advocate", "Fürsprecher"),
        Phase.AT_RISK: View(Phase.AT_RISK, "at risk", "abwanderungsgefährdet"),
        Phase.INACTIVE: View(Phase.INACTIVE, "inactive customer", "inaktiver Kunde"),
        Phase.FORMER: View(Phase.FORMER, "former customer", "ehemaliger Kunde"),
        Phase.WON_BACK: View(Phase.WON_BACK, "won-back customer", "zurückgewonnener Kunde"),
    }
)
"""The phases themselves, where no model is asked for."""

# In the order of: prospect, new, established, advocate, at_risk, inactive, former, won_back.
_ROWS: Final[Mapping[Model, tuple[Cell, ...]]] = MappingProxyType(
    {
        Model.SIX_PHASE: (
            Asked(Fact.SIGNED_UP, _AWARENESS, _CONVERSION), _BUYING, _RENEWAL, _REFERRAL,
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

VIEWS: Final[Mapping[Model | None, Mapping[Phase, Cell]]] = MappingProxyType(
    {
        None: PHASES,
        **{
            model: MappingProxyType(dict(zip(Phase, row, strict=True)))
            for model, row in _ROWS.items()
        },
    }
)
"""What each phase is called in each model; None is the phases themselves."""


def view(model: Model | None, phase: Phase, facts: Collection[Fact]) -> View:
    """What a customer in this phase, of whom these facts hold, is in the model."""
    cell = VIEWS[model][phase]
    if isinstance(cell, View):
        return cell
    return cell.given if cell.fact in facts else cell.without


def views(model: Model | None) -> tuple[View, ...]:
    """All views of a model, in the order of the life cycle."""
    return tuple(dict.fromkeys(found for cell in VIEWS[model].values() for found in _of(cell)))


def needs(model: Model | None) -> frozenset[Fact]:
    """The facts that the model asks for in some phase."""
    return frozenset(cell.fact for cell in VIEWS[model].values() if isinstance(cell, Asked))


def asked_in(model: Model | None) -> dict[Phase, Fact]:
    """The phases in which the model asks for a fact, and for which."""
    return {phase: cell.fact for phase, cell in VIEWS[model].items() if isinstance(cell, Asked)}


LASTING: Final[frozenset[tuple[Phase, Fact]]] = frozenset(
    (phase, fact)
    for model in Model
    for phase, fact in asked_in(model).items()
    if fact is not Fact.ACTED
)
"""The phases in which some model asks for a fact that holds for ever once it does, and that fact."""


def by_acts(model: Model | None) -> Asked | None:
    """The cell of a model that asks of every phase alike whether the customer has acted; None for other models."""
    first, *others = VIEWS[model].values()
    if (
        isinstance(first, Asked)
        and first.fact is Fact.ACTED
        and all(other == first for other in others)
    ):
        return first
    return None


def _of(cell: Cell) -> Iterator[View]:
    if isinstance(cell, View):
        yield cell
    else:
        yield from (cell.without, cell.given)
