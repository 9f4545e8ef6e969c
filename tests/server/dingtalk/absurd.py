"""Payloads that nobody should send: deep, huge, half, doubled, of the wrong type."""

import json

from hypothesis import strategies as st

_KEYS = st.sampled_from(
    [
        "EventType", "eventtype", "EVENTTYPE", "call_back_tag", "userId", "USERID", "UserIdList",
        "deptId", "dept_id", "DeptIdList", "callbackData", "call_back_data", "diffInfo",
        "user_add_org", "org_dept_create", "corpid", "eventId",
    ]
)  # fmt: skip
_TYPES = st.sampled_from(
    ["user_add_org", "user_modify_org", "org_dept_create", "org_dept_remove", "org_x", "User_Add"]
)
_DEPTHS = st.sampled_from([1, 5, 400, 900, 1100, 3000])


def _nested(depth: int) -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["[" * depth, "[" * depth + "]" * depth, '{"userid":' * depth + "1" + "}" * depth]
    )


_DEEP = _DEPTHS.flatmap(_nested)
_SCALARS = st.one_of(
    st.none().map(json.dumps),
    st.booleans().map(json.dumps),
    st.sampled_from(["1e999", "-1e400", "NaN", "Infinity", "1" * 401, "9" * 5000, "-0", "0.1"]),
    st.sampled_from(
        [r'"\ud800"', r'"\udc00x"', r'"\u0000"', r'"a\u0000b"', '"[1,2"', '"{}"', '""']
    ),
    st.text(max_size=5).map(json.dumps),
    _TYPES.map(json.dumps),
    _DEEP,
    _DEEP.map(json.dumps),  # JSON in a string, as DingTalk sends it
    st.just(json.dumps([str(number) for number in range(300)])),
    st.just(json.dumps(json.dumps(list(range(1000))))),
)


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Build objects as text, so that a key can come twice and in two spellings."""
    pairs = st.lists(st.tuples(_KEYS.map(json.dumps), values), max_size=6)
    return pairs.map(lambda found: "{" + ",".join(f"{key}:{value}" for key, value in found) + "}")


def _arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(lambda found: "[" + ",".join(found) + "]")


_VALUES = st.recursive(
    _SCALARS,
    lambda values: st.one_of(_objects(values), _arrays(values), _objects(values).map(json.dumps)),
    max_leaves=8,
)


def payloads() -> st.SearchStrategy[str]:
    """Payloads of every shape, most of them with the type of a contact event."""
    typed = st.tuples(_TYPES, _objects(_VALUES)).map(
        lambda found: f'{{"EventType":{json.dumps(found[0])},' + found[1].removeprefix("{")
    )
    return st.one_of(_VALUES, typed, st.text(max_size=20))
