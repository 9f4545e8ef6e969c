"""The admin's settings as the pure rules take them, and whether they suffice for a run."""

from server.config.settings import Settings
from server.config.store import Config
from server.directory.model import Leavers, Rules, Scope


def rules_of(settings: Settings) -> Rules:
    """Turn settings into rules; ids become strings."""
    sync = settings.sync
    return Rules(
        scope=Scope(
            tuple(map(str, sync.source_department_ids)),
            frozenset(map(str, sync.excluded_department_ids)),
            str(sync.target_department_id),
            settings.dingtalk.app_key,
            settings.wecom.corp_id,
        ),
        protected_wecom_userids=frozenset(sync.protected_wecom_userids),
        leavers=Leavers(str(sync.leavers)),
        delete_after_days=sync.delete_after_days,
        max_removals=sync.max_removals,
        max_removal_percent=sync.max_removal_percent,
        approve_first_run=sync.approve_first_run,
        department_links={str(key): str(value) for key, value in sync.department_links.items()},
        employee_number_attribute=sync.employee_number_attribute,
    )


def missing(config: Config) -> tuple[str, ...]:
    """Name the settings that are empty although no call can be made without them."""
    needed = {
        "dingtalk.app_key": bool(config.settings.dingtalk.app_key),
        "dingtalk.app_secret": bool(config.secrets.app_secret),
        "wecom.corp_id": bool(config.settings.wecom.corp_id),
        "wecom.contact_secret": bool(config.secrets.contact_secret),
    }
    return tuple(name for name, is_there in needed.items() if not is_there)
