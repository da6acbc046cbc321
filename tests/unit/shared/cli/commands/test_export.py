"""Files that are kept only if they are complete."""

from pathlib import Path

import pytest

from shared.cli.commands.export import open_output
from shared.errors import Misconfigured


def test_a_file_that_was_not_finished_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "customers.csv"
    with open_output(target) as out:
        out.write(b"old")
        assert not target.exists()
    with pytest.raises(ZeroDivisionError), open_output(target) as out:
        out.write(b"new" * (1 // 0))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(Misconfigured), open_output(tmp_path / "nowhere" / "x.csv"):
        pass
