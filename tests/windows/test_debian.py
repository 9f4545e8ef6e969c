import pytest

from tests.tools.windows.debian import MissingToolError, run


def test_a_command_that_fails_is_shown_with_what_it_said() -> None:
    with pytest.raises(MissingToolError, match=r"failed with 3:\nno space left"):
        run(["sh", "-c", "echo no space left; exit 3"])


def test_a_command_that_hangs_is_ended_though_a_child_of_its_keeps_the_output() -> None:
    with pytest.raises(MissingToolError, match=r"no end after 1 s:\nbegun"):
        run(["sh", "-c", "echo begun; sleep 20 & exec sleep 20"], limit_s=1)
