"""The table of WeCom's error codes: what each means for people, and what follows from it."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from server.errors.message import N_
from server.errors.vendor import Correction, ErrorInfo, ErrorPolicy

_BY_ITSELF = N_("Nothing to do: DingBridge retries automatically.")
_MENDS_ITSELF = N_("Nothing to do: DingBridge corrects it and retries.")
_REPORT = N_("If it happens again, send the log file to your administrator.")
_CHECK_CREDENTIALS = N_(
    "Copy the company id and the Contacts Sync (通讯录同步) secret again from the WeCom console. "
    "Until they change, DingBridge retries only rarely, because WeCom blocks addresses that use "
    "wrong secrets."
)
_ALLOW_WRITING = N_(
    "In the WeCom console, Management Tools, Contacts Sync (管理工具, 通讯录同步), enable the API, "
    "allow it to edit contacts (API编辑通讯录), and use the secret shown there; the secret of an "
    "app does not work. Then start a sync."
)
_CORRECT_IN_DINGTALK = N_("Correct it in DingTalk; the next sync picks it up.")
_LOOK_IN_WECOM = N_("Check this member or department in the WeCom console.")

_BUSY = ErrorInfo(ErrorPolicy.RETRY, N_("WeCom is busy (error {number})."), _BY_ITSELF)
TOKEN_REFUSED = ErrorInfo(
    ErrorPolicy.REFRESH_TOKEN, N_("WeCom rejected the access token (error {number})."), _BY_ITSELF
)
CREDENTIALS = ErrorInfo(
    ErrorPolicy.STOP,
    N_("WeCom rejected the company id or the secret (error {number})."),
    _CHECK_CREDENTIALS,
)
_NOT_ALLOWED = ErrorInfo(
    ErrorPolicy.STOP,
    N_("This secret is not allowed to change contacts in WeCom (error {number})."),
    _ALLOW_WRITING,
)
_BAD_REQUEST = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom rejected the API call {call} (error {number}: {detail})."),
    _REPORT,
    suspicious=True,
)
_OUR_FAULT = ErrorInfo(
    ErrorPolicy.STOP,
    N_("WeCom cannot parse the API call {call} (error {number}: {detail})."),
    _REPORT,
)
_UNKNOWN_DEPARTMENT = ErrorInfo(
    ErrorPolicy.FIX,
    N_("A department used in {call} does not exist in WeCom (error {number})."),
    _MENDS_ITSELF,
    fix=Correction.REFRESH_DEPARTMENTS,
)
_NO_PARENT = ErrorInfo(
    ErrorPolicy.FIX,
    N_("The parent department does not exist in WeCom (error {number})."),
    _MENDS_ITSELF,
    fix=Correction.CREATE_PARENT,
)
_NOT_EMPTY = ErrorInfo(
    ErrorPolicy.DEFER,
    N_("The department still has members or subdepartments in WeCom (error {number})."),
    N_("Move or remove them in the WeCom console, or leave the department there."),
)
_OUT_OF_RANGE = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("This secret is not allowed to see the member or department in WeCom (error {number})."),
    _ALLOW_WRITING,
)
_NO_MEMBER = ErrorInfo(
    ErrorPolicy.FIX,
    N_("This member is no longer in WeCom (error {number})."),
    N_("Nothing to do: DingBridge creates the member again."),
    fix=Correction.CREATE_INSTEAD,
)
_EMAIL = ErrorInfo(
    ErrorPolicy.FIX,
    N_("WeCom rejected the email address (error {number})."),
    N_("It is left out if there is a mobile. Correct it in DingTalk."),
    fix=Correction.DROP_EMAIL,
)
_BAD_FIELD = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom rejected a value of this member (error {number}: {detail})."),
    _CORRECT_IN_DINGTALK,
)
_BAD_NAME = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom rejected the name: it is empty or too long (error {number})."),
    _CORRECT_IN_DINGTALK,
)
_NOT_REACHABLE = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("The member has neither mobile nor email (error {number})."),
    N_(
        "Enter one in DingTalk, or give the app the permission to read mobiles and emails there; "
        "the next sync picks it up."
    ),
)
_TOO_MANY_DEPARTMENTS = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("The member is in too many departments for WeCom (error {number})."),
    _CORRECT_IN_DINGTALK,
)
_FULL = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom's limit for departments or their members is reached (error {number})."),
    N_("Use fewer departments or levels in DingTalk; the next sync picks it up."),
)
_DEPARTMENT_REFUSED = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom rejected the department (error {number}: {detail})."),
    _LOOK_IN_WECOM,
)
_MEMBER_REFUSED = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom rejected the member (error {number}: {detail})."),
    _LOOK_IN_WECOM,
)
UNKNOWN = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("WeCom answered {call} with error {number}: {detail}"),
    _REPORT,
    suspicious=True,
)
BAD_ERRCODE = ErrorInfo(
    ErrorPolicy.RETRY,
    N_("WeCom's response to {call} has a result code that is not a number."),
    _BY_ITSELF,
)

MEANINGS: Mapping[int, ErrorInfo] = MappingProxyType(
    {
        -1: _BUSY,
        6000: _BUSY,
        40001: CREDENTIALS,
        40003: _BAD_FIELD,
        40013: CREDENTIALS,
        40014: TOKEN_REFUSED,
        40031: _BAD_REQUEST,
        40033: _OUR_FAULT,
        40035: _BAD_REQUEST,
        40058: _BAD_REQUEST,
        40063: _BAD_REQUEST,
        40066: _UNKNOWN_DEPARTMENT,
        40091: CREDENTIALS,
        40206: _OUR_FAULT,
        41001: _OUR_FAULT,
        41002: CREDENTIALS,
        41004: CREDENTIALS,
        41009: _BAD_REQUEST,
        41019: _BAD_REQUEST,
        42001: TOKEN_REFUSED,
        43009: ErrorInfo(
            ErrorPolicy.STOP,
            N_("WeCom requires the company to be verified first (error {number})."),
            N_("Verify the company in the WeCom console. Then start a sync."),
        ),
        45009: ErrorInfo(
            ErrorPolicy.RETRY,
            N_("The WeCom rate limit for {call} has been reached (error {number})."),
            N_(
                "Nothing to do: DingBridge keeps retrying. After very many new members, "
                "WeCom may require a pause of up to 30 days."
            ),
            backoff_s=(60.0,),
        ),
        45024: ErrorInfo(
            ErrorPolicy.STOP_CREATES,
            N_("The company's member limit in WeCom has been reached (error {number})."),
            N_("Verify the company or have its limit raised in the WeCom console."),
        ),
        45029: _BAD_REQUEST,
        45031: replace(
            CREDENTIALS,
            title=N_("WeCom considers the secret unsafe and requires a new one (error {number})."),
            hint=N_(
                "Reset the Contacts Sync secret in the WeCom console and enter the new one here."
            ),
        ),
        45033: replace(_BUSY, backoff_s=(2.0, 4.0, 8.0)),
        46004: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("No member of WeCom has this mobile (error {number})."),
            _LOOK_IN_WECOM,
        ),
        48001: _NOT_ALLOWED,
        48002: _NOT_ALLOWED,
        48005: _OUR_FAULT,
        48006: replace(
            _NOT_ALLOWED,
            title=N_(
                "WeCom withdrew the permission after a long time without use (error {number})."
            ),
        ),
        48008: _NOT_ALLOWED,
        48009: replace(
            _NOT_ALLOWED,
            title=N_("This secret is not allowed to read contacts in WeCom (error {number})."),
        ),
        50002: _OUT_OF_RANGE,
        50003: ErrorInfo(
            ErrorPolicy.STOP,
            N_("The app is disabled in WeCom (error {number})."),
            N_("Enable it in the WeCom console. Then start a sync."),
        ),
        60001: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("The department's name is empty or too long for WeCom (error {number})."),
            _CORRECT_IN_DINGTALK,
        ),
        60002: _FULL,
        60003: _UNKNOWN_DEPARTMENT,
        60004: _NO_PARENT,
        60005: _NOT_EMPTY,
        60006: _NOT_EMPTY,
        60007: _DEPARTMENT_REFUSED,
        60008: ErrorInfo(
            ErrorPolicy.FIX,
            N_(
                "WeCom already has another department of this name in the same place (error "
                "{number})."
            ),
            N_(
                "If it is the same department, link the two (sync.department_links); otherwise "
                "rename one of them."
            ),
            fix=Correction.NAME_TAKEN,
        ),
        60009: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("The department's name contains characters that WeCom rejects (error {number})."),
            _CORRECT_IN_DINGTALK,
        ),
        60010: ErrorInfo(
            ErrorPolicy.FIX,
            N_("A department cannot be moved below itself (error {number})."),
            _MENDS_ITSELF,
            fix=Correction.REORDER_MOVES,
        ),
        60011: replace(_OUT_OF_RANGE, suspicious=True),
        60021: _OUT_OF_RANGE,
        60030: _OUT_OF_RANGE,
        60031: _NOT_ALLOWED,
        60102: ErrorInfo(
            ErrorPolicy.FIX,
            N_("WeCom already has a member with this userid (error {number})."),
            _LOOK_IN_WECOM,
            fix=Correction.UPDATE_INSTEAD,
        ),
        60103: ErrorInfo(
            ErrorPolicy.FIX,
            N_("WeCom rejected the mobile (error {number})."),
            N_("It is left out if there is an email. Correct it in DingTalk."),
            fix=Correction.DROP_MOBILE,
        ),
        60105: _EMAIL,
        60106: _EMAIL,
        60107: _MEMBER_REFUSED,
        60108: _MEMBER_REFUSED,
        60109: _MEMBER_REFUSED,
        60110: _TOO_MANY_DEPARTMENTS,
        60111: _NO_MEMBER,
        60112: _BAD_NAME,
        60113: _NOT_REACHABLE,
        **dict.fromkeys((60114, 60115, 60116, 60118, 60119, 60120, 60121, 60122), _MEMBER_REFUSED),
        60123: _UNKNOWN_DEPARTMENT,
        60124: _NO_PARENT,
        60125: _BAD_NAME,
        60126: _DEPARTMENT_REFUSED,
        60127: _BAD_REQUEST,
        60128: _DEPARTMENT_REFUSED,
        60129: _NOT_REACHABLE,
        60131: replace(_BAD_FIELD, policy=ErrorPolicy.FIX, fix=Correction.DROP_POSITION),
        60132: _BAD_REQUEST,
        60133: _MEMBER_REFUSED,
        60136: _MEMBER_REFUSED,
        60141: _EMAIL,
        60142: _EMAIL,
        60146: _BAD_FIELD,
        60147: _BAD_FIELD,
        60257: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("The member has more managers than WeCom allows (error {number})."),
            _CORRECT_IN_DINGTALK,
        ),
        **dict.fromkeys((81001, 81002, 81004), _FULL),
        81012: _OUT_OF_RANGE,
        81026: ErrorInfo(
            ErrorPolicy.RETRY,
            N_("WeCom is under maintenance (error {number})."),
            _BY_ITSELF,
            backoff_s=(30.0, 60.0),
        ),
        301005: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("The creator of the company cannot be deleted in WeCom (error {number})."),
            N_("Keep this member, or protect it (sync.protected_wecom_userids)."),
        ),
        301007: ErrorInfo(
            ErrorPolicy.STOP,
            N_("WeCom has dissolved or banned the company (error {number})."),
            N_("Contact WeCom support. Until then, DingBridge changes nothing."),
        ),
        301012: replace(_BAD_FIELD, policy=ErrorPolicy.FIX, fix=Correction.DROP_POSITION),
        301013: replace(_BAD_FIELD, policy=ErrorPolicy.FIX, fix=Correction.DROP_TELEPHONE),
        301021: _BAD_FIELD,
        301036: _BAD_FIELD,
    }
)

MOBILE_TAKEN_BY = ErrorInfo(
    ErrorPolicy.FIX,
    N_("The mobile already belongs to the WeCom member {holder} (error {number})."),
    N_(
        "Correct the mobile in DingTalk or in the WeCom console, then start a sync. A member with "
        "the same mobile who belongs to nobody else is taken over automatically."
    ),
    fix=Correction.ADOPT_HOLDER,
)
MOBILE_TAKEN_UNNAMED = replace(
    MOBILE_TAKEN_BY,
    title=N_("The mobile already belongs to another WeCom member (error {number})."),
)
IP_NAMED = ErrorInfo(
    ErrorPolicy.STOP,
    N_("WeCom does not accept requests from this network's public address {ip} (error {number})."),
    N_(
        "Add {ip} to the trusted addresses (企业可信IP) of Contacts Sync in the WeCom console, "
        "separated from others by “;”, and start a sync a minute later. If your office's address "
        "changes from time to time, ask the provider for a fixed one."
    ),
)
IP_UNNAMED = replace(
    IP_NAMED,
    title=N_("WeCom does not accept requests from this network's public address (error {number})."),
    hint=N_(
        "Add your office's public address to the trusted addresses (企业可信IP) of Contacts Sync "
        "in the WeCom console, and start a sync a minute later."
    ),
)
