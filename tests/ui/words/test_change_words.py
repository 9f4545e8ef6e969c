import pytest

from server.api.status import ChangeView, ErrorView
from server.config.settings import Language
from server.errors.message import Message
from ui.words.change_words import arrow, brief, field_lines, group_of, who
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
CHINESE = Texts(Language.CHINESE)
FIELDS: dict[str, tuple[object, object]] = {
    "name": ("李", "王"),
    "department": (("1", "2"), ("3",)),
    "direct_leader": ("w9", ""),
    "order": ((1, 2), (3,)),
    "is_leader_in_dept": ((False, True), (False,)),
    "extattr.工号": (None, "0012"),
}
NAMES = {("department", "2"): "研发", ("department", "3"): "客服", ("person", "w9"): "赵"}
ERROR = ErrorView("no-contact", Message("{name} has none.", {"name": "高玉兰"}), Message("Do."))


def _change(action: str = "update", kind: str = "person", result: str = "planned") -> ChangeView:
    return ChangeView(action, kind, "u1", "w1", "王", FIELDS, result, names=NAMES)


def test_fields_are_named_and_so_are_those_they_point_to() -> None:
    lines = [arrow(words, ENGLISH) for words in field_lines(_change(), ENGLISH)]

    assert lines == [
        "Name: 李 → 王",
        "Departments: top department, 研发 → 客服",
        "Manager: 赵 → –",
        "Sort order: 1, 2 → 3",
        "Head of department: Yes → No",
        "工号: – → 0012",
    ]


def test_a_line_of_the_table_tells_what_people_know() -> None:
    expected = "姓名：李 → 王；部门：根部门、研发 → 客服；直属上级：赵 → –"
    assert brief(_change(), CHINESE) == expected


def test_of_a_new_member_only_the_values_are_told() -> None:
    change = _change("create")
    assert brief(change, ENGLISH) == "客服"
    assert arrow(next(field_lines(change, ENGLISH)), ENGLISH) == "Name: 王"


def test_of_a_take_over_the_member_of_wecom_is_named() -> None:
    change = _change("adopt")
    assert brief(change, ENGLISH) == "← w1 in WeCom  客服"
    assert brief(change, CHINESE) == "← 企业微信 w1  客服"


def test_a_department_has_a_name_of_another_kind_than_people() -> None:
    change = ChangeView(
        "update", "department", "2", "3", "客服", {"name": ("服务", "客服")}, "done"
    )
    assert brief(change, CHINESE) == "部门名称：服务 → 客服"


def test_what_was_not_done_tells_why() -> None:
    change = ChangeView("create", "person", "u1", "", "", {}, "skipped", ERROR)
    assert (who(change), brief(change, ENGLISH)) == ("高玉兰", "高玉兰 has none.")


def test_a_leaver_is_said_to_be_one() -> None:
    change = ChangeView("disable", "person", "u1", "w1", "", {"enable": (True, False)}, "held")
    assert (who(change), brief(change, ENGLISH)) == ("u1", "No longer in DingTalk")


@pytest.mark.parametrize(
    ("change", "group"),
    [
        (_change("create"), "new"),
        (_change("adopt"), "changed"),
        (_change("update"), "changed"),
        (_change("enable"), "changed"),
        (_change("disable"), "leaving"),
        (_change("delete"), "leaving"),
        (_change("delete", "department"), "departments"),
        (_change("conflict"), "conflicts"),
        (_change("conflict", "department", "skipped"), "conflicts"),
        (_change("create", result="skipped"), "problems"),
        (_change("update", "department", "failed"), "problems"),
    ],
)
def test_every_change_has_its_group(change: ChangeView, group: str) -> None:
    assert group_of(change) == group
