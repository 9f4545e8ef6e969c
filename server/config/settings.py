"""All settings: their names, types, defaults, rules and explanations.

No other module holds a default. The tables of the handbook and of the settings window are made
from `known_settings()`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, cast

from server.config import rules
from server.config.rules import WECOM_ID_MAX, Rule
from server.errors.message import N_


class Leavers(StrEnum):
    """What happens in WeCom to people who left the DingTalk directory."""

    DISABLE = "disable"
    DELETE = "delete"
    KEEP = "keep"


class Language(StrEnum):
    """The language of windows and messages; AUTO follows the system."""

    AUTO = "auto"
    CHINESE = "zh-CN"
    ENGLISH = "en"


_SPELLINGS = MappingProxyType(
    {
        "zh": Language.CHINESE,
        "zh_cn": Language.CHINESE,
        "zh-hans": Language.CHINESE,
        "zh-hans-cn": Language.CHINESE,
        "en-us": Language.ENGLISH,
        "en_us": Language.ENGLISH,
        "en-gb": Language.ENGLISH,
        "en_gb": Language.ENGLISH,
    }
)


def _about(rule: Rule, text: str, *, needs_restart: bool = False) -> dict[str, object]:
    return {"rule": rule, "text": text, "needs_restart": needs_restart}


@dataclass(frozen=True, slots=True)
class CallbackSettings:
    """Where DingTalk's callbacks are taken."""

    host: str = field(
        default="0.0.0.0",  # noqa: S104 - DingTalk calls from outside
        metadata=_about(
            rules.host(),
            N_("The address to listen on; 0.0.0.0 means all addresses of this computer."),
            needs_restart=True,
        ),
    )
    port: int = field(
        default=8080,
        metadata=_about(
            rules.integer(0, 65535),
            N_("The port to listen on; 0 picks a free one (for testing only)."),
            needs_restart=True,
        ),
    )
    path: str = field(
        default="/api/callback",
        metadata=_about(
            rules.callback_path(),
            N_("The path of the callback address entered in the DingTalk console."),
        ),
    )
    public_url: str = field(
        default="",
        metadata=_about(
            rules.optional_web_address(),
            N_(
                "The public callback address that DingTalk uses; if set, the self-test tries "
                "it as well."
            ),
        ),
    )
    previous_grace_hours: int = field(
        default=24,
        metadata=_about(
            rules.integer(0, 24 * 30),
            N_("How many hours the old credentials stay valid after new ones take effect."),
        ),
    )


@dataclass(frozen=True, slots=True)
class DingTalkSettings:
    """The DingTalk app whose directory is read."""

    app_key: str = field(
        default="",
        metadata=_about(
            rules.identifier(128),
            N_(
                "Client ID (formerly AppKey) of the DingTalk app that reads the directory; see "
                "Credentials and basic information in its console."
            ),
        ),
    )
    api_base: str = field(
        default="https://oapi.dingtalk.com",
        metadata=_about(
            rules.web_address(), N_("The address of DingTalk's API; change it for testing only.")
        ),
    )


@dataclass(frozen=True, slots=True)
class WeComSettings:
    """The WeCom company whose directory is written."""

    corp_id: str = field(
        default="",
        metadata=_about(
            rules.identifier(128),
            N_("The company id in WeCom: at the bottom of My Company, Company Information."),
        ),
    )
    api_base: str = field(
        default="https://qyapi.weixin.qq.com",
        metadata=_about(
            rules.web_address(), N_("The address of WeCom's API; change it for testing only.")
        ),
    )


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """What is mirrored, and how carefully."""

    enabled: bool = field(
        default=False,
        metadata=_about(
            rules.flag(), N_("Whether the DingTalk directory is synced to WeCom automatically.")
        ),
    )
    source_department_ids: tuple[int, ...] = field(
        default=(1,),
        metadata=_about(
            rules.department_ids(),
            N_(
                "The DingTalk departments to sync, each including its subdepartments; 1 is "
                "the whole company."
            ),
        ),
    )
    excluded_department_ids: tuple[int, ...] = field(
        default=(),
        metadata=_about(
            rules.listed_department_ids(),
            N_("DingTalk departments to leave out, each including its subdepartments."),
        ),
    )
    protected_wecom_userids: tuple[str, ...] = field(
        default=(),
        metadata=_about(rules.wecom_userids(), N_("WeCom members that are never changed.")),
    )
    target_department_id: int = field(
        default=1,
        metadata=_about(
            rules.department_id(WECOM_ID_MAX),
            N_("The WeCom department that everything is synced to; 1 is the whole company."),
        ),
    )
    leavers: Leavers = field(
        default=Leavers.DISABLE,
        metadata=_about(
            rules.choice(Leavers),
            N_(
                "What happens in WeCom to people who left DingTalk: disable them, delete "
                "them after a while, or keep them."
            ),
        ),
    )
    delete_after_days: int = field(
        default=30,
        metadata=_about(
            rules.integer(0, 3650),
            N_("If leavers are deleted: how many days they stay disabled first."),
        ),
    )
    max_removals: int = field(
        default=3,
        metadata=_about(
            rules.integer(0, 1_000_000),
            N_("Removing more people than this within 24 hours needs your approval."),
        ),
    )
    max_removal_percent: int = field(
        default=5,
        metadata=_about(
            rules.integer(0, 100),
            N_("Removing more than this percentage of all people needs your approval."),
        ),
    )
    invite: bool = field(
        default=False,
        metadata=_about(rules.flag(), N_("Whether WeCom sends new members an invitation.")),
    )
    daily_at: str = field(
        default="03:00",
        metadata=_about(
            rules.time_of_day(), N_("When the whole directory is compared each day (local time).")
        ),
    )
    missed_events_minutes: int = field(
        default=5,
        metadata=_about(
            rules.integer(1, 24 * 60),
            N_("How often, in minutes, DingTalk is asked for events that did not arrive."),
        ),
    )
    approve_first_run: bool = field(
        default=True,
        metadata=_about(
            rules.flag(), N_("Whether the first sync only shows a preview until you approve it.")
        ),
    )
    department_links: Mapping[int, int] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata=_about(
            rules.department_links(),
            N_("Which WeCom department matches a DingTalk department, if names clash."),
        ),
    )
    employee_number_attribute: str = field(
        default="",
        metadata=_about(
            rules.plain_text(64),
            N_("The extended attribute in WeCom that holds the employee number; empty for none."),
        ),
    )


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How long events are kept."""

    keep_days: int = field(
        default=90,
        metadata=_about(rules.integer(1, 3650), N_("How many days finished events are kept.")),
    )
    keep_events: int = field(
        default=1_000_000,
        metadata=_about(rules.integer(1000, 100_000_000), N_("How many finished events are kept.")),
    )


@dataclass(frozen=True, slots=True)
class UiSettings:
    """How the program shows itself."""

    language: Language = field(
        default=Language.AUTO,
        metadata=_about(
            rules.choice(Language, _SPELLINGS),
            N_("The language of windows and messages; auto follows the system."),
        ),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, validated as a whole. Secrets are separate (`server.config.secrets`)."""

    callback: CallbackSettings = field(default_factory=CallbackSettings)
    dingtalk: DingTalkSettings = field(default_factory=DingTalkSettings)
    wecom: WeComSettings = field(default_factory=WeComSettings)
    sync: SyncSettings = field(default_factory=SyncSettings)
    journal: JournalSettings = field(default_factory=JournalSettings)
    ui: UiSettings = field(default_factory=UiSettings)

    def value_of(self, name: str) -> object:
        """Return the value of the setting with this dotted name."""
        section, _, setting = name.partition(".")
        return getattr(getattr(self, section), setting)


@dataclass(frozen=True, slots=True)
class SettingInfo:
    """A setting's row in a table. `default` is JSON; a secret has none."""

    name: str
    rule: Rule
    default: object
    text: str
    needs_restart: bool = False
    is_secret: bool = False

    @property
    def section(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    @property
    def kind(self) -> str:
        """The type in a word or two: `integer`, `time of day`."""
        return self.rule.kind


_SECRETS = (
    SettingInfo(
        "callback.token",
        rules.identifier(64),
        "",
        N_("The token of the event subscription in the DingTalk console."),
        is_secret=True,
    ),
    SettingInfo(
        "callback.aes_key",
        rules.identifier(64),
        "",
        N_("The aes_key of the event subscription: 43 letters and digits."),
        is_secret=True,
    ),
    SettingInfo(
        "callback.key",
        rules.identifier(128),
        "",
        N_(
            "Client ID (formerly AppKey), CorpId or SuiteKey, whichever DingTalk sends for "
            "this app."
        ),
        is_secret=True,
    ),
    SettingInfo(
        "dingtalk.app_secret",
        rules.identifier(256),
        "",
        N_("Client Secret (formerly AppSecret) of the same app, on the same page."),
        is_secret=True,
    ),
    SettingInfo(
        "wecom.contact_secret",
        rules.identifier(256),
        "",
        N_("The Contacts Sync secret in WeCom (Management Tools, Contacts Sync)."),
        is_secret=True,
    ),
)


def sections() -> Mapping[str, type[Any]]:
    """Return the sections of Settings by name, in order."""
    return {part.name: cast("type[Any]", part.default_factory) for part in fields(Settings)}


@cache
def known_settings() -> tuple[SettingInfo, ...]:
    """Return all settings with the secret ones, by section in the order of the classes."""
    plain = [
        SettingInfo(
            f"{section}.{part.name}", default=rules.to_json(getattr(kind(), part.name)), **about
        )
        for section, kind in sections().items()
        for part, about in ((part, dict(part.metadata)) for part in fields(kind))
    ]
    order = list(sections())
    return tuple(sorted((*plain, *_SECRETS), key=lambda info: order.index(info.section)))
