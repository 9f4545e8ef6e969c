"""Made-up companies of any size, with the odd cases that real directories have.

The same seed gives the same company. No name, number or address belongs to anybody: they are put
together at random.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from server.simulator.company import Company
from server.simulator.roster import ROOT_ID, Person

_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜"
_COMPOUND_SURNAMES = ("欧阳", "上官", "司马", "诸葛", "东方", "夏侯")
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建国文志海燕春梅丹萍宇浩欣怡梓涵"
_FUNCTIONS = (
    *("研发", "市场", "销售", "人力资源", "财务", "行政", "采购", "法务"),
    *("客服", "运营", "产品", "设计", "测试", "运维", "质量", "仓储"),
    *("物流", "生产", "工艺", "设备", "安全", "审计", "公关", "培训"),
)
_UNITS = ("部", "中心", "组", "事业部", "办公室", "小组")
_CITIES = ("北京", "上海", "广州", "深圳", "杭州", "成都", "武汉", "西安", "南京", "苏州")
_TITLES = ("工程师", "高级工程师", "经理", "主管", "专员", "总监", "助理", "实习生", "顾问", "会计")
_ODD_DEPARTMENT_NAMES = (
    "研发/测试",
    "A:B 项目组",
    'R&D "X" <core>',
    "质量?部*一|二\\三",
    "🚀 创新部",
    "一个名字长得超过了企业微信三十二个字上限的部门所以必须被截断才能同步过去的部门",
    "ＡＢＣ 全角部",
    " 首尾空格部 ",
)
_ODD_PERSON_NAMES = (
    "阿卜杜热西提·买买提艾力",
    "Anne-Marie O'Neill",
    "李雷😀",
    "佐藤 さくら",
    "张三（实习）",
    "长" * 70,
    "𠮷野家",
    "Ω",
)
_DEPTH_LIMIT = 8


def generate(people: int, departments: int, seed: int, *, odd: bool = True) -> Company:
    """Return a company of `people` in `departments` (the root not counted).

    With `odd` it holds namesakes, siblings of one name, several departments a person, leaders and
    managers, missing and foreign mobiles, missing addresses, long and strange names.
    """
    builder = _Builder(Company(seed=seed), Random(seed), odd=odd)
    for number in range(departments):
        builder.add_department(number)
    for number in range(people):
        builder.add_person(number)
    builder.appoint_managers()
    return builder.company


class _Builder:
    """Adds departments and people to a company, one by one."""

    def __init__(self, company: Company, random: Random, *, odd: bool) -> None:
        self.company = company
        self._random = random
        self._odd = odd
        self._dept_ids = [ROOT_ID]
        self._levels = {ROOT_ID: 1}
        self._userids: list[str] = []

    def add_department(self, number: int) -> None:
        """Add a department below one of those there are, seldom deep."""
        allowed = [one for one in self._dept_ids[-40:] if self._levels[one] < _DEPTH_LIMIT]
        parent_id = ROOT_ID if number < 3 else self._random.choice([ROOT_ID, *allowed])
        name = self._department_name(number, parent_id)
        dept_id = int(self.company.create_department(name, parent_id)[0]["deptId"][0])
        self._dept_ids.append(dept_id)
        self._levels[dept_id] = self._levels[parent_id] + 1

    def _department_name(self, number: int, parent_id: int) -> str:
        siblings = [one.name for one in self.company.roster.children(parent_id)]
        if self._odd and number % 5 == 4:
            return _ODD_DEPARTMENT_NAMES[number // 5 % len(_ODD_DEPARTMENT_NAMES)]
        if self._odd and siblings and number % 11 == 10:
            return self._random.choice(siblings)
        choose = self._random.choice
        while True:
            name = choose(_CITIES) + choose(_FUNCTIONS) + choose(_UNITS)
            if name not in siblings:
                return name

    def add_person(self, number: int) -> None:
        """Hire somebody; a tenth of the people are in several departments."""
        count = self._random.choice((2, 3)) if self._random.random() < 0.1 else 1
        dept_ids = self._random.sample(self._dept_ids, min(count, len(self._dept_ids)))
        person = self.company.draft(self._person_name(number), dept_ids, **self._details(number))
        if self._random.random() < 0.08:
            person = replace(person, leads=frozenset(dept_ids[:1]))
        person = _oddly(person, number) if self._odd else person
        self.company.hire(person)
        self._userids.append(person.userid)

    def _person_name(self, number: int) -> str:
        if self._odd and number % 23 == 22:
            return _ODD_PERSON_NAMES[number // 23 % len(_ODD_PERSON_NAMES)]
        if self._odd and number % 17 == 16:
            return "王伟"
        choose = self._random.choice
        surname = choose(_COMPOUND_SURNAMES) if self._random.random() < 0.02 else choose(_SURNAMES)
        return surname + "".join(choose(_GIVEN) for _ in range(self._random.choice((1, 2, 2))))

    def _details(self, number: int) -> dict[str, Any]:
        details: dict[str, Any] = {
            "mobile": f"1{self._random.choice('3589')}{number:09d}",
            "title": self._random.choice(_TITLES),
            "job_number": f"E{number:06d}",
            "hired_date_ms": 1_400_000_000_000 + 86_400_000 * self._random.randrange(4000),
        }
        if self._random.random() < 0.6:
            details["email"] = f"staff{number}@example.com"
        if self._random.random() < 0.2:
            details["telephone"] = f"0571-{self._random.randrange(10**7, 10**8)}"
        return details

    def appoint_managers(self) -> None:
        """Give most people a manager who was hired before them."""
        roster = self.company.roster
        for number, userid in enumerate(self._userids):
            if number and self._random.random() < 0.7:
                manager = self._userids[self._random.randrange(min(number, 1 + number // 5))]
                roster.put_person(replace(roster.people[userid], manager_userid=manager))


def _abroad(person: Person, number: int) -> Person:
    code, digits = (("852", 8), ("1", 10), ("65", 8), ("44", 10))[number % 4]
    return replace(person, state_code=code, mobile=f"{6 * 10 ** (digits - 1) + number}")


def _unreachable(person: Person, _number: int) -> Person:
    return replace(person, mobile="", email="", exclusive_account=True)


def _without_mobile(person: Person, number: int) -> Person:
    return replace(person, mobile="", email=f"desk{number}@example.com")


def _not_active(person: Person, _number: int) -> Person:
    return replace(person, active=False)


def _strange_userid(person: Person, number: int) -> Person:
    pair, shape = divmod(number // 37, 4)
    # The last two differ by case only; WeCom cannot keep them apart.
    shapes = (f"_lead{pair}", f"工号{pair}", f"Manager{pair}", f"manager{pair}")
    return replace(person, userid=shapes[shape])


def _long_title(person: Person, _number: int) -> Person:
    return replace(person, title="高级" * 80, telephone="总机 0571-8888转 801")


_ODDITIES: tuple[tuple[int, Callable[[Person, int], Person]], ...] = (
    (19, _abroad),
    (29, _unreachable),
    (31, _without_mobile),
    (37, _strange_userid),
    (41, _not_active),
    (43, _long_title),
)


def _oddly(person: Person, number: int) -> Person:
    for divisor, change in _ODDITIES:
        if number % divisor == divisor - 1:
            return change(person, number)
    return person
