"""How far each service has applied each partition, as a table or as JSON."""

from collections.abc import Sequence

from rich.table import Table

from shared.stream.lag import LogSpans
from shared.stream.log.checkpoints import StoredCheckpoint


def checkpoint_row(service: str, position: StoredCheckpoint, spans: LogSpans) -> dict[str, object]:
    """One checkpoint with its distance from the end of the log."""
    end = spans.get((position.topic, position.partition), (0, 0))[1]
    ticked = position.ticked.isoformat().replace("+00:00", "Z") if position.ticked else None
    return {
        "service": service,
        "topic": position.topic,
        "partition": position.partition,
        "next_offset": position.next_offset,
        "end": end,
        "lag": end - position.next_offset,
        "ticked": ticked,
        "stopped": position.stopped,
    }


def checkpoint_table(service: str, positions: Sequence[StoredCheckpoint], spans: LogSpans) -> Table:
    """The checkpoints of one service, a section per topic."""
    table = Table()
    table.add_column("Topic", no_wrap=True)
    for name in ("Partition", "Next", "End", "Lag"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Ticked", no_wrap=True)
    if any(position.stopped for position in positions):
        table.add_column("Stopped because", style="red", overflow="fold")
    topic = ""
    for position in positions:
        is_new = position.topic != topic
        if topic and is_new:
            table.add_section()
        topic = position.topic
        table.add_row(topic if is_new else "", *_cells(service, position, spans))
    return table


def _cells(service: str, position: StoredCheckpoint, spans: LogSpans) -> list[str]:
    row = checkpoint_row(service, position, spans)
    cells = [f"{row[name]:,}" for name in ("partition", "next_offset", "end", "lag")]
    cells.append(str(row["ticked"] or ""))
    if position.stopped:
        cells.append(position.stopped)
    return cells
