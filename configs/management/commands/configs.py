"""`configs`: settings from the command line, with the same checks, history and ways back."""

import getpass
import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from rich.prompt import Confirm

from configs import bundles, changesets, crypto, registry, rotation, runtime, services, transfer
from configs.errors import ClawError, Invalid, NeedsSecondPerson, NotFound
from configs.management.console import Exit, Voice
from configs.models import ChangeSet, Config
from configs.registry import AnySetting

if TYPE_CHECKING:
    from accounts.models import User

STDIN = "-"
DIFFERENCES = {"target": "What", "group": "Role", "old": "Before", "new": "After"}


class Command(BaseCommand):
    """Reads, changes, rolls back, compares, exports and imports what steers the system."""

    help = (
        "Settings from the command line. Exit status: 0 done, 1 refused, 2 not understood, "
        "3 waits for a second person, 4 stored secrets that no key opens."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the verbs and their options."""
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        common = ArgumentParser(add_help=False)
        common.add_argument("--json", action="store_true", help="print the result for a program")
        common.add_argument("--actor", metavar="NAME", help="the person in whose name it is done")
        reason = ArgumentParser(add_help=False)
        reason.add_argument("--reason", default="", help="why; it is kept in the history")

        def verb(name: str, about: str, *parents: ArgumentParser) -> ArgumentParser:
            return verbs.add_parser(name, help=about, parents=[common, *parents])

        verb("list", "every setting with its value and where it comes from")
        verb("get", "one setting").add_argument("key")
        setting = verb("set", "change one setting", reason)
        setting.add_argument("key")
        setting.add_argument(
            "value", nargs="?", default=STDIN, help="left out or -: asked for, or read from stdin"
        )
        verb("reset", "let the default hold again", reason).add_argument("key")
        verb("history", "every version of one setting").add_argument("key")
        back = verb("rollback", "write a past version as a new one", reason)
        back.add_argument("key")
        back.add_argument("version", type=int)
        compare = verb("compare", "what changed from one release to another")
        compare.add_argument("older", type=int, metavar="A")
        compare.add_argument("newer", type=int, metavar="B")
        _add_transfer(verb, reason)
        rotate = verb("rotate-keys", "seal every stored secret with the newest field key")
        rotate.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *_args: Any, verb: str, **options: Any) -> None:
        """Do what the verb says and end with the status that tells what became of it."""
        asked = Namespace(**options)
        voice = Voice(self.stdout, as_json=asked.json)
        try:
            status = VERBS[verb](asked, voice, _person(asked.actor))
        except NeedsSecondPerson as waiting:
            status = _waits(voice, waiting.change_set)
        except ClawError as refused:
            raise CommandError(_complaint(refused), returncode=Exit.REFUSED) from refused
        if status:
            sys.exit(status)


def _add_transfer(verb: Any, reason: ArgumentParser) -> None:
    export = verb("export", "everything that was set, as YAML")
    export.add_argument("file", nargs="?", default=STDIN, help="left out or -: stdout")
    export.add_argument(
        "--with-secrets", action="store_true", help="add the secrets, sealed under a passphrase"
    )
    export.add_argument("--yes", action="store_true", help="do not ask before secrets go out")
    bring = verb("import", "show what a file would change, and change it", reason)
    bring.add_argument("file", help="-: stdin")
    bring.add_argument("--dry-run", action="store_true", help="only show the differences")
    bring.add_argument("--yes", action="store_true", help="do not ask before it is published")
    bring.add_argument(
        "--with-secrets", action="store_true", help="also the sealed secrets: asks the passphrase"
    )


def _person(name: str | None) -> "User | None":
    if not name:
        return None
    people = get_user_model().objects
    try:
        found: User = people.get_by_natural_key(name)
    except get_user_model().DoesNotExist:
        raise CommandError(f"There is nobody called {name}.") from None
    return found


def _complaint(refused: ClawError) -> str:
    complaints = getattr(refused, "errors", {})
    lines = [f"{name}: {each}" for name, all_of in complaints.items() for each in all_of]
    return "\n".join(lines) or refused.detail


def _waits(voice: Voice, change_set: Any) -> Exit:
    voice.tell(
        {"state": change_set.state, "change_set": str(change_set.pk)},
        f"This waits for a second person: change set {change_set.pk}.",
    )
    return Exit.SECOND_PERSON


# --- One setting ---------------------------------------------------------------------------------
def _line(key: str, snapshot: runtime.Snapshot, row: Config | None) -> dict[str, Any]:
    """Return one setting as it may be seen."""
    setting = registry.SETTINGS.get(key)
    free = snapshot.free_keys.get(key)
    sensitive = setting.sensitive if setting else bool(row and row.is_sensitive)
    value: Any = snapshot.values.get(key) if setting else free.value if free else None
    if sensitive:
        value = crypto.masked(row.value, row.place) if row else ""
    return {
        "key": key,
        "value": value,
        "default": setting.default if setting and not setting.sensitive else None,
        "source": snapshot.source(setting) if setting else "database",
        "version": row.version if row else 0,
        "sensitive": sensitive,
    }


def _lines() -> dict[str, dict[str, Any]]:
    snapshot = runtime.build()
    rows = {row.key: row for row in Config.objects.all()}
    return {key: _line(key, snapshot, rows.get(key)) for key in sorted({*registry.SETTINGS, *rows})}


def list_all(_asked: Namespace, voice: Voice, _actor: "User | None") -> Exit:
    """Show every setting."""
    titles = {"key": "Setting", "value": "Value", "source": "Source", "version": "Version"}
    voice.rows(list(_lines().values()), titles)
    return Exit.DONE


def get(asked: Namespace, voice: Voice, _actor: "User | None") -> Exit:
    """Show one setting."""
    line = _lines().get(asked.key)
    if line is None:
        raise NotFound(f"There is no setting {asked.key}.")
    value = line["value"]
    voice.tell(line, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return Exit.DONE


def set_one(asked: Namespace, voice: Voice, actor: "User | None") -> Exit:
    """Change one setting and publish it."""
    setting = _setting(asked.key)
    value = setting.parse(_typed(asked.value, secret=setting.sensitive))
    row = services.change_setting(key=asked.key, value=value, actor=actor, reason=asked.reason)
    return _changed(voice, row)


def reset(asked: Namespace, voice: Voice, actor: "User | None") -> Exit:
    """Let the default hold again."""
    row = services.reset_setting(key=asked.key, actor=actor, reason=asked.reason)
    return _changed(voice, row)


def roll_back(asked: Namespace, voice: Voice, actor: "User | None") -> Exit:
    """Write a past version as a new one."""
    row = services.roll_back(key=asked.key, version=asked.version, actor=actor, reason=asked.reason)
    return _changed(voice, row)


def _setting(key: str) -> AnySetting:
    """Return what the setting is, declared or an operator's own."""
    if key in registry.SETTINGS:
        return registry.SETTINGS[key]
    row = Config.objects.filter(key=key).exclude(value_type="").first()
    if row is None:
        raise NotFound(f"There is no setting {key}.")
    return registry.free(key, row.value_type, sensitive=row.is_sensitive)


def _typed(given: str, *, secret: bool) -> str:
    """Return the value: as given, or read without being shown."""
    if given != STDIN:
        if secret:
            complaint = "Everybody on this machine can read a command line: leave the value out."
            raise Invalid(complaint, errors={"value": [complaint]})
        return given
    if sys.stdin.isatty():
        return getpass.getpass("Value: ") if secret else input("Value: ")
    return sys.stdin.read().rstrip("\n")


def _changed(voice: Voice, row: Config) -> Exit:
    content = {"key": row.key, "version": row.version, "release": runtime.build().version}
    voice.tell(content, f"{row.key} is at version {row.version}.")
    return Exit.DONE


# --- What was ------------------------------------------------------------------------------------
def history(asked: Namespace, voice: Voice, _actor: "User | None") -> Exit:
    """Show every version of one setting, the newest first."""
    past = list(Config.history.filter(key=asked.key).order_by("-history_id"))
    if not past and asked.key not in registry.SETTINGS:
        raise NotFound(f"There is no setting {asked.key}.")
    names = dict(
        get_user_model()
        .objects.filter(pk__in={row.history_user_id for row in past} - {None})
        .values_list("pk", "username")
    )
    rows = [
        {
            "version": row.version,
            "value": _past_value(row),
            "at": row.history_date,
            "by": names.get(row.history_user_id, ""),
            "reason": row.history_change_reason or "",
            "release": row.release_version,
        }
        for row in past
    ]
    voice.rows(
        rows, {name: name.capitalize() for name in ("version", "value", "at", "by", "reason")}
    )
    return Exit.DONE


def _past_value(row: Any) -> Any:
    if row.is_sensitive:
        return crypto.masked(row.value, f"config:{row.key}")
    return json.loads(row.value) if row.value else None


def compare(asked: Namespace, voice: Voice, _actor: "User | None") -> Exit:
    """Show what changed from one release to another."""
    _show(voice, changesets.compare(asked.older, asked.newer))
    return Exit.DONE


def _show(voice: Voice, differences: Any) -> None:
    names = ("kind", "target", "label", "group", "old", "new", "stale")
    voice.rows([{name: getattr(each, name) for name in names} for each in differences], DIFFERENCES)


# --- Out and in ----------------------------------------------------------------------------------
def export(asked: Namespace, voice: Voice, actor: "User | None") -> Exit:
    """Write everything that was set, as YAML."""
    passphrase = ""
    if asked.with_secrets:
        if not (asked.yes or _confirmed("The file will hold every secret, sealed. Go on?")):
            return Exit.REFUSED
        passphrase = _passphrase(twice=True)
    text = transfer.export(actor=actor, passphrase=passphrase)
    if asked.file == STDIN:
        voice.tell({"bundle": text}, text.rstrip("\n"))
        return Exit.DONE
    path = Path(asked.file)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    voice.tell({"file": str(path), "secrets": asked.with_secrets}, f"Written to {path}.")
    return Exit.DONE


def bring_in(asked: Namespace, voice: Voice, actor: "User | None") -> Exit:
    """Show what a file would change; publish it when that is confirmed."""
    bundle = bundles.from_text(_read(asked.file))
    passphrase = _passphrase() if asked.with_secrets else ""
    seen = transfer.preview(bundle=bundle, actor=actor, passphrase=passphrase)
    if asked.dry_run or not asked.json:
        _show(voice, seen.differences)
    voice.aside(f"! {problem.text}" for problem in seen.problems)
    voice.aside(f"· {place}: left out of the file; stays as it is here" for place in seen.withheld)
    if asked.dry_run or seen.problems or not seen.differences:
        return Exit.REFUSED if seen.problems else Exit.DONE
    if not (asked.yes or _confirmed(f"Publish {len(seen.differences)} changes?")):
        return Exit.REFUSED
    drafted = transfer.bring_in(
        bundle=bundle, title=f"Import {asked.file}", actor=actor, passphrase=passphrase
    )
    try:
        changesets.submit(change_set=drafted, actor=actor, reason=asked.reason)
    except ClawError:
        changesets.discard(change_set=drafted, actor=actor)
        raise
    return _submitted(voice, ChangeSet.objects.get(pk=drafted.pk))


def _submitted(voice: Voice, drafted: ChangeSet) -> Exit:
    if drafted.state == ChangeSet.State.IN_REVIEW:
        return _waits(voice, drafted)
    content = {"state": drafted.state, "release": drafted.release_id}
    voice.tell(content, f"Published as release {drafted.release_id}.")
    return Exit.DONE


def _read(name: str) -> str:
    try:
        with sys.stdin if name == STDIN else Path(name).open(encoding="utf-8") as file:
            return file.read(bundles.LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{name} cannot be read: {error}") from error


def _passphrase(*, twice: bool = False) -> str:
    """Return a passphrase that was typed, or came in on stdin; never one of the command line."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    typed = getpass.getpass("Passphrase: ")
    if twice and getpass.getpass("Once more: ") != typed:
        raise CommandError("The two are not the same.")
    return typed


def _confirmed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise CommandError("Nobody is here to confirm it: add --yes.")
    return Confirm.ask(question)


# --- Keys ----------------------------------------------------------------------------------------
def rotate_keys(asked: Namespace, voice: Voice, actor: "User | None") -> Exit:
    """Seal every stored secret with the newest field key."""
    with voice.progress() as progress:
        task = progress.add_task("Secrets", total=rotation.stale())
        report = rotation.rotate(
            actor=actor, dry_run=asked.dry_run, step=lambda rows: progress.advance(task, rows)
        )
    lost = [{"row": each.row, "of": each.whose, "key": each.key} for each in report.unreadable]
    content = {
        "key": report.key,
        "renewed": report.renewed,
        "left": report.left,
        "unreadable": lost,
        "dry_run": asked.dry_run,
    }
    verb = "would be" if asked.dry_run else "are"
    voice.tell(content, f"{report.renewed} secrets {verb} sealed anew with the key {report.key}.")
    voice.aside(
        f"! {each.row} {each.whose}: sealed with {each.key or 'a key'}, which is gone; "
        "put it back at the end of CLAWAI_FIELD_KEYS, or set the secret anew"
        for each in report.unreadable
    )
    if not (report.left or asked.dry_run):
        voice.aside(
            ["Older keys seal no secret any more; `audit verify` needs them for entries of then."]
        )
    return Exit.UNREADABLE if report.unreadable else Exit.DONE


VERBS = {
    "list": list_all,
    "get": get,
    "set": set_one,
    "reset": reset,
    "history": history,
    "rollback": roll_back,
    "compare": compare,
    "export": export,
    "import": bring_in,
    "rotate-keys": rotate_keys,
}
