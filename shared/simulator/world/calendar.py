"""Time in the simulated shop: whole seconds since it opened, their text, and the seasons."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

OPENING: Final = datetime(2023, 1, 1, tzinfo=UTC)
"""When the shop opens; the seconds of the simulation count from here."""
HOUR: Final = 3600
DAY: Final = 24 * HOUR
MOST_MONTHS: Final = 120

_FIRST_DATE: Final = OPENING.date()
_DATES: Final = tuple(_FIRST_DATE + timedelta(days=n) for n in range(366 * (MOST_MONTHS // 12 + 4)))
_DAYS: Final = tuple(f"{day.isoformat()}T" for day in _DATES)
_MINUTES: Final = tuple(f"{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60))
_SECONDS: Final = tuple(f"{second:02}Z" for second in range(60))

BY_MONTH: Final = (0.92, 0.86, 0.94, 0.97, 0.96, 0.93, 0.88, 0.86, 0.98, 1.04, 1.28, 1.38)
"""How busy each month is, from January to December; the mean is 1."""
_SEASONS: Final = tuple(BY_MONTH[day.month - 1] for day in _DATES)


def text(t: int) -> str:
    """An instant as RFC 3339 in UTC."""
    day, second = divmod(t, DAY)
    minute, second = divmod(second, 60)
    return _DAYS[day] + _MINUTES[minute] + _SECONDS[second]


def instant(t: int) -> datetime:
    """An instant as a datetime."""
    return OPENING + timedelta(seconds=t)


def since_opening(at: datetime) -> int:
    """Whole seconds since the opening, negative before it."""
    return int((at - OPENING).total_seconds())


def season(t: int) -> float:
    """How busy the shop is at that time, 1 on average."""
    return _SEASONS[min(t // DAY, len(_SEASONS) - 1)]


def later_by_months(t: int, months: int) -> int:
    """The same time of day so many calendar months later, on the last day of a shorter month."""
    day, second = divmod(t, DAY)
    start = _DATES[day]
    number = start.year * 12 + start.month - 1 + months
    year = number // 12
    month = number % 12 + 1
    later = date(year, month, min(start.day, _days_in_month(year, month)))
    return (later - _FIRST_DATE).days * DAY + second


def _days_in_month(year: int, month: int) -> int:
    next_month = date(year + month // 12, month % 12 + 1, 1)
    return (next_month - date(year, month, 1)).days
