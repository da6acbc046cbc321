"""How a client wants phases named."""

from collections.abc import Collection
from dataclasses import dataclass

from services.lifecycle.domain.phase_models import CustomerFact, Model, PhaseLabel, label_for
from services.lifecycle.domain.state.phases import Phase
from shared.http import Language


@dataclass(frozen=True, slots=True)
class Naming:
    """A model (None: the phases themselves) and a language."""

    model: Model | None
    language: Language

    def view(self, phase: Phase, facts: Collection[CustomerFact]) -> tuple[str, str]:
        """Return the code of a phase in the model, and its label."""
        named = label_for(self.model, phase, facts)
        return named.code, self.label(named)

    def label(self, named: PhaseLabel) -> str:
        """Return the label in the language."""
        return named.german if self.language is Language.GERMAN else named.english
