"""DingTalk's calls, one method each (facts, DingTalk 4 and 5). Only `oapi` endpoints.

Every method raises `VendorError`; what it returns is complete and typed. Safe to use from several
threads.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crypto.secret import Secret
from server.dingtalk.errors import VENDOR, raise_for_error
from server.dingtalk.wire import (
    CallbackRecord,
    DingTalkDepartment,
    DingTalkUser,
    FailedEvents,
    parse_department,
    parse_listed_user,
    parse_user,
)
from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError, VendorRefusedError
from server.rest import fields
from server.rest.gateway import Client, Gateway, Surroundings
from server.rest.session import Call, Purpose
from server.rest.tokens import Account

_LOG = logging.getLogger(__name__)
_CALLS_PER_S = 19  # of 20 per app and API, standard edition (API-1433): others call as well
_PAGE_SIZE = 100  # the largest that user/list takes (API-0062, API-0066)


@dataclass(frozen=True, slots=True)
class UserPage:
    """A page of a department's members; `next_cursor` is None on the last one."""

    users: tuple[DingTalkUser, ...]
    next_cursor: int | None


def connect(
    app_key: str, app_secret: Secret, base: str, surroundings: Surroundings
) -> "DingTalkClient":
    """Return a client for an app; nothing is called yet."""
    login = Call(
        "gettoken", Purpose.TOKEN, query={"appkey": app_key}, secrets={"appsecret": app_secret}
    )
    gateway = Gateway(
        VENDOR,
        Account(base, app_key, app_secret),
        login=login,
        raise_for_error=raise_for_error,
        calls_per_s=_CALLS_PER_S,
        surroundings=surroundings,
    )
    return DingTalkClient(gateway)


class DingTalkClient(Client):
    """The calls. Ids go in and come out as strings."""

    def readable_departments(self) -> tuple[str, ...]:
        """Return the roots of what the app may read (auth/scopes); () where that is not told.

        Only an offer to the admin hangs on it, so a failure is logged and not raised, unless the
        service is stopping.
        """
        try:
            answer = self._gateway.ask(Call("auth/scopes"))
        except CallCancelledError:
            raise
        except VendorError as error:
            _LOG.info("What the app may read is not known: %s", error)
            return ()
        scopes = answer.get("auth_org_scopes")
        return (
            fields.whole_numbers(scopes.get("authed_dept")) or ()
            if isinstance(scopes, dict)
            else ()
        )

    def get_user(self, userid: str) -> DingTalkUser:
        """Return a person with the manager, "" for none (v2/user/get)."""
        call = Call("topapi/v2/user/get", body={"userid": userid})
        result = self._object(call)
        user = self._gateway.required(parse_user(result), call, "userid")
        if user.department_ids is None and result.get("dept_id_list") is not None:
            raise self._gateway.unreadable(call, "dept_id_list")  # nowhere is not somewhere odd
        # Here, other than in a list, an absent manager means that there is none.
        return replace(user, manager_userid=user.manager_userid or "")

    def list_users(self, department_id: str, cursor: int = 0) -> UserPage:
        """Return a page of the direct members of a department (v2/user/list).

        People whose visibility is restricted are asked for too: left out, they would look as if
        they had gone. An empty department may come without a list.
        """
        how = {"cursor": cursor, "size": _PAGE_SIZE, "contain_access_limit": True}
        call = self._about("topapi/v2/user/list", department_id, **how)
        page = self._object(call)
        following = self._next_cursor(call, page, cursor)
        listed = page.get("list")
        if listed is None and fields.flag(page.get("has_more")) is False:
            listed = []  # of a department that holds nobody it is sometimes left out
        entries = self._gateway.required(fields.only_objects(listed), call, "list")
        users = tuple(self._listed(call, entry, department_id) for entry in entries)
        return UserPage(users, following)

    def get_department(self, department_id: str) -> DingTalkDepartment:
        """Return a department with its order (v2/department/get)."""
        call = self._about("topapi/v2/department/get", department_id)
        return self._department(call, self._object(call))

    def list_subdepartments(self, department_id: str) -> tuple[DingTalkDepartment, ...]:
        """Return the departments one level below, without orders (v2/department/listsub)."""
        call = self._about("topapi/v2/department/listsub", department_id)
        answer = self._gateway.ask(call)
        below = answer.get("result")
        if below is None and "result" in answer:
            below = []  # of a department that has none below
        entries = self._gateway.required(fields.only_objects(below), call, "result")
        return tuple(self._department(call, entry) for entry in entries)

    def list_userids(self, department_id: str) -> tuple[str, ...]:
        """Return the ids of the direct members, also outside the scope (user/listid)."""
        call = self._about("topapi/user/listid", department_id)
        return self._ids(call, "userid_list")

    def list_subdepartment_ids(self, department_id: str) -> tuple[str, ...]:
        """Return the ids one level below, also outside the scope (v2/department/listsubid)."""
        call = self._about("topapi/v2/department/listsubid", department_id)
        return self._ids(call, "dept_id_list")

    def get_callback(self) -> CallbackRecord | None:
        """Return the subscription that a program registered; None where the console made it."""
        try:
            answer = self._gateway.ask(Call("call_back/get_call_back"))
        except VendorRefusedError as error:
            if error.policy is ErrorPolicy.GONE:
                return None
            raise
        url = fields.identifier(answer.get("url"))
        if url is None:
            return None
        return CallbackRecord(
            url=url,
            token=Secret(fields.text(answer.get("token")) or ""),
            aes_key=Secret(fields.text(answer.get("aes_key")) or ""),
            event_types=fields.identifiers(answer.get("call_back_tag")) or (),
        )

    def register_callback(self, record: CallbackRecord) -> None:
        """Register a subscription; DingTalk calls `check_url` before it answers.

        A lost reply is an `OutcomeUnknownError`: `get_callback` tells. Error 71006: one exists.
        """
        self._gateway.ask(_callback_call("register", record, is_repeatable=False))

    def update_callback(self, record: CallbackRecord) -> None:
        """Replace the subscription whole; DingTalk calls `check_url` before it answers."""
        self._gateway.ask(_callback_call("update", record, is_repeatable=True))

    def take_failed_events(self) -> FailedEvents:
        """Return events that were not delivered, at most 200 (get_call_back_failed_result).

        The next call clears what this one returned, so store them before anything else. For the
        same reason a lost reply is not asked for again but is an `OutcomeUnknownError`: what it
        held may be lost, and only a full run makes up for it.
        """
        call = Call("call_back/get_call_back_failed_result", is_repeatable=False)
        answer = self._gateway.ask(call)
        entries = fields.items(answer.get("failed_list")) or ()
        return FailedEvents(
            payloads=tuple(self._as_json(call, entry) for entry in entries),
            has_more=fields.flag(answer.get("has_more")) or False,
        )

    def _about(self, path: str, department_id: str, **how: object) -> Call:
        """Return a call about a department, whose id may be one that an event or a list told."""
        number = fields.number(department_id)
        call = Call(path, body={"dept_id": number, **how})
        if number is None:
            raise self._gateway.unreadable(call, "dept_id")
        return call

    def _object(self, call: Call) -> Mapping[str, Any]:
        result = self._gateway.ask(call).get("result")
        if not isinstance(result, dict):
            raise self._gateway.unreadable(call, "result")
        return result

    def _ids(self, call: Call, name: str) -> tuple[str, ...]:
        ids = fields.identifiers(self._object(call).get(name))
        return self._gateway.required(ids, call, name)

    def _as_json(self, call: Call, entry: object) -> str:
        """Return an entry as JSON text that can be stored, whatever it is: it is not sent again."""
        try:
            return fields.text(json.dumps(entry, ensure_ascii=False)) or "null"
        except RecursionError:
            raise self._gateway.unreadable(call, "failed_list") from None

    def _listed(self, call: Call, entry: Mapping[str, Any], department_id: str) -> DingTalkUser:
        return self._gateway.required(parse_listed_user(entry, department_id), call, "userid")

    def _department(self, call: Call, entry: Mapping[str, Any]) -> DingTalkDepartment:
        return self._gateway.required(parse_department(entry), call, "dept_id, name")

    def _next_cursor(self, call: Call, page: Mapping[str, Any], cursor: int) -> int | None:
        """Return where to go on; a cursor that does not move would never end."""
        has_more = page.get("has_more")
        if has_more is None or fields.flag(has_more) is False:
            return None
        following = fields.number(page.get("next_cursor"))
        if not fields.flag(has_more) or following is None or following <= cursor:
            raise self._gateway.unreadable(call, "next_cursor")
        return following


def _callback_call(verb: str, record: CallbackRecord, *, is_repeatable: bool) -> Call:
    return Call(
        f"call_back/{verb}_call_back",
        Purpose.WRITE,
        body={
            "call_back_tag": list(record.event_types),
            "token": record.token.reveal(),
            "aes_key": record.aes_key.reveal(),
            "url": record.url,
        },
        masked=(record.token, record.aes_key),
        is_repeatable=is_repeatable,
    )
