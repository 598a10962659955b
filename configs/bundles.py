"""Bundles: settings, exceptions, endpoints and prompts as one YAML text, and back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import yaml
from django.utils.translation import gettext

from configs.errors import Invalid

FORMAT: Final = 1
LONGEST: Final = 512 * 1024
DEEPEST: Final = 20
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
HEAD: Final = """\
# What steers CLAW.AI: `manage.py configs import` shows the differences before it changes anything.
# What does not stand here stays as it is.
"""


@dataclass(frozen=True, slots=True)
class RoleValue:
    """What a setting is for the people of one role."""

    key: str
    role: str
    value: Any


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a file holds; `withheld` names the secrets that were left out.

    `keys` are keys of an operator's own, each with `type`, `value`, `description` and `public`.
    `sealed` holds secrets under a passphrase with that `salt`, by place: `endpoints.<name>.api_key`
    or `settings.<key>`.
    """

    release: int = 0
    exported_at: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exceptions: tuple[RoleValue, ...] = ()
    endpoints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    salt: str = ""
    sealed: Mapping[str, str] = field(default_factory=dict, repr=False)


# --- To text -----------------------------------------------------------------------------------
def to_text(bundle: Bundle) -> str:
    """Return the bundle as YAML that `from_text` reads."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "release": bundle.release,
        "exported_at": bundle.exported_at,
        "settings": dict(bundle.settings),
        "keys": {key: dict(each) for key, each in bundle.keys.items()},
        "exceptions": [
            {"key": each.key, "role": each.role, "value": each.value} for each in bundle.exceptions
        ],
        "endpoints": {name: dict(each) for name, each in bundle.endpoints.items()},
        "prompts": dict(bundle.prompts),
        "withheld": list(bundle.withheld),
    }
    if bundle.sealed:
        content["sealed"] = {"salt": bundle.salt, "values": dict(bundle.sealed)}
    body: str = yaml.dump(
        {key: value for key, value in content.items() if value not in ({}, [], "")},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )
    return HEAD + body


class _Dumper(yaml.SafeDumper):
    """Writes lines as lines, and everything whole."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice twice."""
        return True


def _as_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None
    if re.search("[\x85\u2028\u2029\ufeff\r]", value):
        style = '"'  # elsewhere these would be read as the end of a line
    elif "\n" in value and not re.search(r"[ \t]\n|^\s", value):
        style = "|"
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _as_text)
_Dumper.add_representer(
    tuple,
    lambda dumper, value: dumper.represent_list(list(value)),
)


# --- From text ---------------------------------------------------------------------------------
def from_text(text: str) -> Bundle:
    """Return the bundle that a text holds.

    Raises:
        Invalid: it is no such YAML, too long, of another format, or holds what is not known here.
    """
    content = _read(text)
    if content.get("format") != FORMAT:
        raise _refused(gettext("This is no bundle of format %(format)d.") % {"format": FORMAT})
    complaints = list(_complaints(content))
    if complaints:
        raise _refused(*complaints)
    sealed = content.get("sealed", NOTHING)
    return Bundle(
        release=content.get("release", 0),
        exported_at=content.get("exported_at", ""),
        settings=content.get("settings", NOTHING),
        keys=content.get("keys", NOTHING),
        exceptions=tuple(RoleValue(**each) for each in content.get("exceptions", ())),
        endpoints=content.get("endpoints", NOTHING),
        prompts=content.get("prompts", NOTHING),
        withheld=tuple(content.get("withheld", ())),
        salt=sealed.get("salt", ""),
        sealed=sealed.get("values", NOTHING),
    )


def _read(text: str) -> dict[str, Any]:
    if len(text.encode(errors="surrogatepass")) > LONGEST:
        raise _refused(gettext("The file may have at most %(kb)d KB.") % {"kb": LONGEST // 1024})
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506  # it is a safe one
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _refused(
            gettext("Line %(line)d cannot be read: %(problem)s.")
            % {"line": line, "problem": error.problem or error.context}
        ) from None
    except (yaml.YAMLError, ValueError):
        raise _refused(gettext("The file is not YAML.")) from None
    if not isinstance(content, dict):
        raise _refused(gettext("The file holds no bundle."))
    return content


def _complaints(content: Mapping[str, Any]) -> list[str]:
    found = [
        gettext("%(name)s: nothing of that name belongs here.") % {"name": name}
        for name in content
        if name not in _PARTS and name != "format"
    ]
    found += [
        gettext("%(name)s: this is not what belongs here.") % {"name": name}
        for name, fits in _PARTS.items()
        if name in content and not fits(content[name])
    ]
    return found


def _named(value: object, of: type | tuple[type, ...]) -> bool:
    return isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(each, of) for key, each in value.items()
    )


def _is_key(value: object) -> bool:
    fields = {"type": str, "value": object, "description": str, "public": bool, "sensitive": bool}
    return (
        isinstance(value, dict)
        and {"type"} <= set(value) <= set(fields)
        and all(isinstance(each, fields[name]) for name, each in value.items())
    )


def _is_exception(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"key", "role", "value"}
        and all(isinstance(value[name], str) for name in ("key", "role"))
    )


def _is_sealed(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"salt", "values"}
        and isinstance(value["salt"], str)
        and _named(value["values"], str)
    )


_PARTS: Final = {
    "release": lambda value: type(value) is int,
    "exported_at": lambda value: isinstance(value, str),
    "settings": lambda value: _named(value, object),
    "keys": lambda value: _named(value, dict) and all(map(_is_key, value.values())),
    "exceptions": lambda value: isinstance(value, list) and all(map(_is_exception, value)),
    "endpoints": lambda value: (
        _named(value, dict) and all(_named(each, object) for each in value.values())
    ),
    "prompts": lambda value: _named(value, str),
    "withheld": lambda value: (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    ),
    "sealed": _is_sealed,
}


class _Loader(yaml.SafeLoader):
    """Reads what JSON can say, and nothing more: no tags, no references, no key twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Return the next node.

        Raises:
            ComposerError: it is one that a bundle never has.
        """
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _unwanted(gettext("references are not allowed"), event)
        if event.tag is not None:
            raise _unwanted(gettext("tags are not allowed"), event)
        self.depth += 1
        if self.depth > DEEPEST:
            raise _unwanted(gettext("this is nested too deeply"), event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping.

        Raises:
            ConstructorError: a key stands in it twice, or is no text.
        """
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) < len(node.value):
            raise yaml.constructor.ConstructorError(
                None, None, gettext("a name stands here twice, or is no text"), node.start_mark
            )
        return {
            name: self.construct_object(value, deep=deep)
            for name, (_, value) in zip(names, node.value, strict=True)
        }


def _unwanted(problem: str, event: Any) -> yaml.composer.ComposerError:
    return yaml.composer.ComposerError(None, None, problem, event.start_mark)


for _kind, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", list("-+0123456789")),
    ("float", r"[-+]?[0-9]{1,400}\.[0-9]{0,400}(?:[eE][-+]?[0-9]{1,3})?", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})\\Z"), _first
    )


def _refused(*complaints: str) -> Invalid:
    return Invalid("\n".join(complaints), errors={"file": list(complaints)})
