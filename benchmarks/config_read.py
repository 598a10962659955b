"""What reading a setting costs, beside a read of a plain dictionary; needs no server."""

import json
import os
import secrets
import timeit
from base64 import urlsafe_b64encode

from benchmarks.environment import about, save

READS = 2_000
ROUNDS = 500  # short ones: the best is one that nothing else interrupted
TARGET_MICROSECONDS = 2.0


def microseconds(statement: str, **names: object) -> float:
    """Return the best time of some rounds, per call."""
    rounds = timeit.repeat(statement, globals=names, number=READS, repeat=ROUNDS)
    return round(min(rounds) / READS * 1e6, 4)


def prepare() -> None:
    """Set Django up with secrets that live as long as this process."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clawai.settings")
    os.environ.setdefault("CLAWAI_SECRET_KEY", secrets.token_urlsafe(60))
    os.environ.setdefault("CLAWAI_FIELD_KEYS", urlsafe_b64encode(os.urandom(32)).decode())
    django.setup()


def measure() -> dict[str, float]:
    """Return microseconds a read, of ours and of the baseline."""
    from configs import registry, runtime

    setting = registry.RETRIEVAL_TOP_K
    values = {key: each.default for key, each in registry.SETTINGS.items()}
    exceptions = {
        each.key: dict.fromkeys(range(1, 6), each.default)
        for each in registry.SETTINGS.values()
        if each.per_role
    }
    runtime.install(runtime.Snapshot(1, values, {}, {}, (), exceptions))
    mine = {"current": runtime.current, "setting": registry.ANSWERS_PER_USER, "roles": (2, 4, 9)}
    with runtime.pinned(runtime.current()):
        pinned = microseconds("current().get(setting)", current=runtime.current, setting=setting)
    return {
        "read": microseconds("current().get(setting)", current=runtime.current, setting=setting),
        "read_for_roles": microseconds("current().get(setting, roles)", **mine),
        "read_pinned": pinned,
        "dictionary": microseconds("values[key]", values=values, key=setting.key),
    }


def main() -> None:
    """Measure, print one line and keep the result."""
    prepare()
    figures = measure()
    ratio = figures["read"] / figures["dictionary"]
    result = {
        "microseconds": figures,
        "target_microseconds": TARGET_MICROSECONDS,
        "met": max(figures.values()) < TARGET_MICROSECONDS,
        "ratios": {"reading a setting against reading a dictionary": ratio},
    }
    print(json.dumps(result))
    save("config_read", about() | result)


if __name__ == "__main__":
    main()
