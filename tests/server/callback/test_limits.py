import logging

import pytest

from server.callback import limits
from server.callback.limits import REPEATS_AFTER_S, BoundedBuffer, RepeatFilter


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(limits, "monotonic", lambda: now[0])
    return now


def record(line: int = 1, error: BaseException | None = None) -> logging.LogRecord:
    raised = None if error is None else (type(error), error, None)
    return logging.LogRecord("n", logging.ERROR, "p.py", line, "Failed: %s", ("x",), raised)


def test_a_line_is_written_once_a_minute_with_the_number_of_those_left_out(
    now_s: list[float],
) -> None:
    repeats = RepeatFilter()
    assert [repeats.filter(record()) for _ in range(1000)] == [True] + [False] * 999
    now_s[0] += REPEATS_AFTER_S
    later = record()
    assert repeats.filter(later)
    assert later.getMessage() == "Failed: x (999 more like it before)"
    now_s[0] += REPEATS_AFTER_S
    alone = record()
    assert repeats.filter(alone)
    assert alone.getMessage() == "Failed: x"


def test_another_place_or_another_error_is_another_line(now_s: list[float]) -> None:
    repeats = RepeatFilter()
    lines = [record(), record(2), record(1, ValueError()), record(1, KeyError())]
    assert now_s == [1000.0]
    assert [repeats.filter(line) for line in lines] == [True] * 4


def test_a_buffer_over_its_limit_keeps_nothing() -> None:
    buffer = BoundedBuffer()
    buffer.append(b"x" * limits.BODY_LIMIT_BYTES)
    assert (len(buffer), buffer.is_over_limit) == (limits.BODY_LIMIT_BYTES, False)
    buffer.append(b"x")
    assert (len(buffer), buffer.is_over_limit) == (0, True)
    assert buffer.size_bytes == limits.BODY_LIMIT_BYTES + 1
