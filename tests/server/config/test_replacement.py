"""Killed or refused at every single step, the folder holds the old state or the new one."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from server.config import replacement
from server.config.files import replace_path
from server.config.paths import DataFolder
from server.errors.base import FileAccessError

NAMES = (
    *("settings.json", "settings.json.bak", "secrets.json", "secrets.json.bak"),
    *("dingbridge.db", "dingbridge.db-wal", "dingbridge.db-shm"),
)
NEW = {"settings.json": "new", "secrets.json": "new", "dingbridge.db": "new"}
OLD = dict.fromkeys(NAMES, "old")
NOW_MS = 1_790_000_000_000


class KilledError(BaseException):
    """The process ends here: nothing of ours runs after it."""


def state(folder: DataFolder) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.root.iterdir() if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "data")
    folder.root.mkdir()
    for name in NAMES:
        (folder.root / name).write_text("old", "utf-8")
    _stage(folder)
    return folder


def _stage(folder: DataFolder) -> None:
    staged = replacement.staging(folder)
    for name in NEW:
        (staged.root / name).write_text("new", "utf-8")


def _after(
    count: int, failure: BaseException, only: Callable[[Path], bool] = lambda _: True
) -> Callable[[Path, Path], None]:
    """Rename `count` times, then fail."""
    left = [count]

    def rename(source: Path, target: Path) -> None:
        if only(source):
            if left[0] == 0:
                raise failure
            left[0] -= 1
        replace_path(source, target)

    return rename


def test_the_new_files_take_the_place_of_the_old_ones_which_are_kept(folder: DataFolder) -> None:
    kept = replacement.replace(folder, NOW_MS)

    assert kept is not None
    assert state(folder) == NEW
    assert state(DataFolder(kept)) == OLD
    assert sorted(path.name for path in folder.root.iterdir() if path.is_dir()) == [
        kept.parent.name
    ]
    assert not replacement.is_unfinished(folder)


def test_in_an_empty_folder_nothing_is_left_over(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    _stage(folder)

    assert replacement.replace(folder, NOW_MS) is None
    assert state(folder) == NEW
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_two_in_one_second_keep_both_old_states(folder: DataFolder) -> None:
    first = replacement.replace(folder, NOW_MS)
    _stage(folder)
    second = replacement.replace(folder, NOW_MS)

    assert first is not None
    assert second is not None
    assert (state(DataFolder(first)), state(DataFolder(second))) == (OLD, NEW)


STEPS = 3 + len(NAMES) + len(NEW)  # with the folder's names: decided, put aside, done


@pytest.mark.parametrize("count", range(STEPS))
def test_a_kill_at_any_step_leaves_the_old_state_or_the_new_one(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(replacement, "replace_path", _after(count, KilledError()))
        with pytest.raises(KilledError):
            replacement.replace(folder, NOW_MS)

    assert replacement.is_unfinished(folder) == (count > 0)
    replacement.finish(folder)

    assert state(folder) == (NEW if count else OLD)
    assert not replacement.is_unfinished(folder)
    replaced = list(folder.root.glob("replaced-*/old"))
    assert [state(DataFolder(kept)) for kept in replaced] == ([OLD] if count else [])


@pytest.mark.parametrize("first", range(1, STEPS, 3))
@pytest.mark.parametrize("second", range(0, STEPS, 3))
def test_who_finishes_may_be_killed_too(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, first: int, second: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(replacement, "replace_path", _after(first, KilledError()))
        with pytest.raises(KilledError):
            replacement.replace(folder, NOW_MS)
    with monkeypatch.context() as patch, suppress(KilledError):
        patch.setattr(replacement, "replace_path", _after(second, KilledError()))
        replacement.finish(folder)

    replacement.finish(folder)
    assert state(folder) == NEW


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_somebody_holds_leaves_everything_as_it_was(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def is_held(source: Path) -> bool:
        return source == folder.root / name

    refusal = PermissionError(13, "held")
    monkeypatch.setattr(replacement, "replace_path", _after(0, refusal, is_held))

    with pytest.raises(FileAccessError) as caught:
        replacement.replace(folder, NOW_MS)

    assert caught.value.values["path"] == str(folder.root / name)
    assert state(folder) == OLD
    assert not replacement.is_unfinished(folder)


def test_what_was_staged_before_is_not_mixed_in(folder: DataFolder) -> None:
    staged = replacement.staging(folder)
    assert list(staged.root.iterdir()) == []

    replacement.discard(folder)
    replacement.discard(folder)
    assert state(folder) == OLD
    assert not [path for path in folder.root.iterdir() if path.is_dir()]
