"""Settings between JSON and what people type, and their names in words. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from server.config.settings import Language, Leavers, SettingInfo
from server.errors.message import N_

# The settings that the window shows, section by section. The three credentials have a page of
# their own; the vendors' addresses are changed for trials only, in settings.json.
SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "callback": N_("Callbacks"),
        "dingtalk": N_("DingTalk app"),
        "wecom": N_("WeCom"),
        "sync": N_("Sync"),
        "journal": N_("Retention"),
    }
)
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "callback.host": N_("Listening address"),
        "callback.port": N_("Port"),
        "callback.path": N_("Path"),
        "callback.public_url": N_("Public address"),
        "callback.previous_grace_hours": N_("Old credentials stay valid (hours)"),
        "dingtalk.app_key": "AppKey (Client ID)",
        "dingtalk.app_secret": "AppSecret (Client Secret)",
        "wecom.corp_id": N_("Company id (CorpID)"),
        "wecom.contact_secret": N_("Contact sync secret"),
        "sync.enabled": N_("Sync automatically"),
        "sync.source_department_ids": N_("DingTalk departments to sync"),
        "sync.excluded_department_ids": N_("Departments to leave out"),
        "sync.protected_wecom_userids": N_("Protected WeCom members"),
        "sync.target_department_id": N_("Target department in WeCom"),
        "sync.leavers": N_("When people leave"),
        "sync.delete_after_days": N_("Days before they are deleted"),
        "sync.max_removals": N_("Removals without approval, at most"),
        "sync.max_removal_percent": N_("Removals without approval, at most (%)"),
        "sync.invite": N_("Send invitations"),
        "sync.daily_at": N_("Daily full sync at"),
        "sync.missed_events_minutes": N_("Fetch missed events every (minutes)"),
        "sync.approve_first_run": N_("Approve the first sync"),
        "sync.department_links": N_("Linked departments"),
        "sync.employee_number_attribute": N_("Attribute for the employee number"),
        "journal.keep_days": N_("Keep events (days)"),
        "journal.keep_events": N_("Keep events (number)"),
    }
)
CHOICES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "sync.leavers": {
            Leavers.DISABLE: N_("Disable"),
            Leavers.DELETE: N_("Disable, later delete"),
            Leavers.KEEP: N_("Keep"),
        },
    }
)
FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "list": N_("Several are separated by commas."),
        "object": N_("Written as DingTalk id = WeCom id, several separated by commas."),
    }
)
LANGUAGES = (Language.AUTO, Language.CHINESE, Language.ENGLISH)


def shape_of(info: SettingInfo) -> str:
    """Return how a setting is typed: flag, integer, list, object, or text."""
    default = info.default
    if isinstance(default, bool):
        return "flag"
    if isinstance(default, int):
        return "integer"
    if isinstance(default, list):
        return "list"
    return "object" if isinstance(default, dict) else "text"


def to_text(value: object) -> str:
    """Return a setting's value as people type it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {item}" for key, item in value.items())
    return str(value)


def from_text(info: SettingInfo, text: str) -> object:
    """Return the JSON value that was typed; what cannot be read stays text, for the rule to judge.

    Chinese commas count as commas.
    """
    shape = shape_of(info)
    if shape == "integer":
        return _number_or_text(text)
    if shape == "list":
        is_of_numbers = "department" in info.name
        parts = _parts(text)
        return [_number_or_text(part) for part in parts] if is_of_numbers else parts
    if shape == "object":
        pairs = [part.partition("=") for part in _parts(text)]
        return {key.strip(): _number_or_text(item) for key, _, item in pairs}
    return text


def _parts(text: str) -> list[str]:
    plain = text.replace("，", ",").replace("、", ",").replace("＝", "=")
    return [part.strip() for part in plain.split(",") if part.strip()]


def _number_or_text(text: str) -> object:
    plain = text.strip()
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 20 else plain
