import os
from pathlib import Path

from ui.shell.unpack_cleanup import sweep

NOW_S = 1_800_000_000.0
DAY_S = 24 * 60 * 60


def unpacked(place: Path, name: str, age_s: float, *, is_ours: bool = True) -> Path:
    """A folder as the one-file program unpacks itself into."""
    assets = place / name / ("ui" if is_ours else "other") / "assets"
    assets.mkdir(parents=True)
    (assets / "licences.txt").touch()
    os.utime(place / name, (NOW_S - age_s, NOW_S - age_s))
    return place / name


def test_only_old_folders_of_this_program_are_removed(tmp_path: Path) -> None:
    own = unpacked(tmp_path, "_MEI100", 2 * DAY_S)
    unpacked(tmp_path, "_MEI102", 2 * DAY_S)
    kept = {
        own,
        unpacked(tmp_path, "_MEI104", DAY_S - 60),
        unpacked(tmp_path, "_MEI106", 2 * DAY_S, is_ours=False),
        unpacked(tmp_path, "another", 2 * DAY_S),
    }

    sweep(own, NOW_S)

    assert kept == set(tmp_path.iterdir())


def test_what_cannot_be_removed_stays_whole(tmp_path: Path) -> None:
    own = unpacked(tmp_path, "_MEI100", 2 * DAY_S)
    used = unpacked(tmp_path, "_MEI102", 2 * DAY_S)
    # Stands for Windows' refusal to rename what is in use.
    (tmp_path / "_MEI102.old").mkdir()
    (tmp_path / "_MEI102.old" / "file").touch()

    sweep(own, NOW_S)

    assert (used / "ui" / "assets" / "licences.txt").exists()
