"""A snapshot: all that steers a process, as of one release."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from configs import registry
from configs.providers.base import Endpoint
from configs.registry import AnySetting, Setting
from configs.registry.setting import T

Source = Literal["default", "database", "environment", "override"]
NOTHING: Mapping[Any, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template as it was at one version."""

    name: str
    text: str
    version: int


@dataclass(frozen=True, slots=True)
class FreeKey:
    """A key that an operator made, with its value."""

    setting: Setting[Any]
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that steers the process, as of one release; nothing in it ever changes.

    `overrides` holds by key what holds for which role, by the id of its group.
    """

    version: int
    values: Mapping[str, Any] = field(repr=False)
    sources: Mapping[str, Source] = field(repr=False)
    prompts: Mapping[str, Prompt] = field(repr=False)
    usable: tuple[tuple[str, Endpoint], ...] = field(repr=False)
    overrides: Mapping[str, Mapping[int, Any]] = field(repr=False, default_factory=dict)
    free_keys: Mapping[str, FreeKey] = field(repr=False, default_factory=dict)

    def get(self, setting: Setting[T], groups: Iterable[int] = ()) -> T:
        """Return the value in force; for somebody with the roles `groups`, their exceptions count.

        Where several roles have one, the most generous holds: the greatest number, yes before no.
        """
        if groups and (by_group := self.overrides.get(setting.key)):
            own: list[T] = [by_group[group] for group in groups if group in by_group]
            if own:
                return max(own)
        value: T = self.values[setting.key]
        return value

    def most(self, setting: Setting[T]) -> T:
        """Return the most generous value that anybody has."""
        values: list[T] = [self.get(setting), *self.overrides.get(setting.key, NOTHING).values()]
        return max(values)

    def source(self, setting: AnySetting, groups: Iterable[int] = ()) -> Source:
        """Say where the value in force comes from."""
        by_group = self.overrides.get(setting.key, NOTHING)
        if any(group in by_group for group in groups):
            return "override"
        return self.sources.get(setting.key, "default")

    def free(self, key: str, default: Any = None) -> Any:
        """Return the value of a key that an operator made, or `default` where there is none."""
        found = self.free_keys.get(key)
        return default if found is None else copy.deepcopy(found.value)

    def public(self) -> dict[str, Any]:
        """Return every value that may be seen without a login, by key."""
        declared = {key: self.values[key] for key in sorted(self._public_keys())}
        return declared | {
            key: self.free(key)
            for key, each in sorted(self.free_keys.items())
            if each.setting.public and not each.setting.sensitive
        }

    def _public_keys(self) -> list[str]:
        return [
            each.key
            for each in registry.SETTINGS.values()
            if each.public and not each.sensitive and each.key in self.values
        ]

    def prompt(self, name: str) -> Prompt:
        """Return the template of that name.

        Raises:
            KeyError: there is none.
        """
        return self.prompts[name]

    def endpoints(self, kind: str) -> tuple[Endpoint, ...]:
        """Return the usable endpoints of a kind, the preferred one first."""
        return tuple(endpoint for of, endpoint in self.usable if of == kind)

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the usable endpoint of that name, or None."""
        return next((endpoint for _, endpoint in self.usable if endpoint.name == name), None)
