"""The progress bar of commands that send or make events."""

from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from shared.cli.console import console


class EventProgress:
    """A bar with the number of events and events per second; use as a context manager."""

    def __init__(self, title: str, *, total: float) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[events]:,}"),
            _Speed(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._progress.add_task(title, total=total, events=0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, events: int, *, completed: float | None = None) -> None:
        """Show so many events; without `completed` they are also the part of the total done."""
        self._progress.update(
            self._task, events=events, completed=events if completed is None else completed
        )

    def restate(self, title: str, *, total: float) -> None:
        """Change the title and the total."""
        self._progress.update(self._task, description=title, total=total)


class _Speed(ProgressColumn):
    """Events per second since the start."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.fields['events'] / max(task.elapsed or 0.0, 0.001):,.0f} events/s")
