"""What comes of folding a life anew by another edition of the rules."""

from datetime import datetime
from typing import TypeAlias

from msgspec.structs import replace

from services.lifecycle.domain.fold import Folded
from services.lifecycle.domain.hints import Hint
from services.lifecycle.domain.state.customer import Move

_Identity: TypeAlias = tuple[str | None, str, str, datetime]


def mark_historical(folded: Folded, by_rules_alone: Folded) -> Folded:
    """Make history of what the rules alone bring: nobody acts on a change of the rules.

    `by_rules_alone` is folded from the events that were known before. The moves that it has are
    historical, and its hints are not given.
    """
    moves = {_move_identity(move) for move in by_rules_alone.moves}
    hints = {_hint_identity(hint) for hint in by_rules_alone.hints}
    return replace(
        folded,
        moves=[
            replace(move, historical=True) if _move_identity(move) in moves else move
            for move in folded.moves
        ],
        hints=[hint for hint in folded.hints if _hint_identity(hint) not in hints],
    )


def _move_identity(move: Move) -> _Identity:
    return move.from_, move.to, move.rule, move.occurred_at


def _hint_identity(hint: Hint) -> tuple[str, str]:
    return hint.name, hint.occasion
