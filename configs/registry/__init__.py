"""Every setting that the system knows: its key, type, default, range and who may see it."""

from typing import Final

from configs.registry.chat import *  # noqa: F403  # a declaration is public by its name
from configs.registry.free import check_free_key as check_free_key
from configs.registry.free import free as free
from configs.registry.house import *  # noqa: F403
from configs.registry.knowledge import *  # noqa: F403
from configs.registry.rules import RULES as RULES
from configs.registry.rules import Rule as Rule
from configs.registry.rules import broken_rules as broken_rules
from configs.registry.setting import AnySetting as AnySetting
from configs.registry.setting import Group as Group
from configs.registry.setting import Kind as Kind
from configs.registry.setting import Setting as Setting

SETTINGS: Final[dict[str, AnySetting]] = {
    value.key: value for value in list(globals().values()) if isinstance(value, Setting)
}
