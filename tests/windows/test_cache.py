import os
from pathlib import Path

from tests.tools.windows.assemble import keep_latest


def folders(cache: Path, kind: str, count: int) -> list[Path]:
    """Make folders of a kind, oldest first."""
    made = [cache / f"{kind}-{number}" for number in range(count)]
    for age, folder in enumerate(reversed(made)):
        folder.mkdir()
        (folder / "file").touch()
        os.utime(folder, (0, 1_000_000 - age))
    return made


def test_of_each_kind_the_latest_few_are_kept(tmp_path: Path) -> None:
    built, pythons = folders(tmp_path, "built", 6), folders(tmp_path, "python", 6)
    (tmp_path / "built.lock").touch()
    keep_latest(built[5])
    assert sorted(tmp_path.iterdir()) == sorted([*built[2:], *pythons, tmp_path / "built.lock"])


def test_what_is_used_again_counts_as_new(tmp_path: Path) -> None:
    built = folders(tmp_path, "built", 6)
    keep_latest(built[0])
    assert sorted([built[0], *built[3:]]) == sorted(tmp_path.iterdir())
