"""A stack with a PostgreSQL of its own, so that the database can be broken as well."""

import os
import re
import signal
from dataclasses import dataclass

import psycopg

from clawai.embedded import postgresql
from tests.stack.machine import Machine
from tests.stack.operator import Operator
from tests.stack.service import wait_until

IN_FORCE = re.compile(r"Configs v(\d+) in force")


@dataclass(slots=True)
class House:
    """The stack, its database server, and somebody who publishes."""

    machine: Machine
    postgres: postgresql.Server
    operator: Operator

    def running(self) -> dict[str, tuple[int, float]]:
        """Return which process runs which release since when; none while the database is away.

        Of those that have the same name, one may have died lately: the youngest counts.
        """
        try:
            with self.machine.database() as connection:
                rows = connection.execute(
                    "SELECT name, config_version, extract(epoch FROM in_force_at)"
                    " FROM configs_runningprocess WHERE seen_at > now() - interval '60 s'"
                    " ORDER BY started_at"
                ).fetchall()
        except psycopg.OperationalError:
            return {}
        return {name: (version, float(since)) for name, version, since in rows}

    def listed(self) -> set[int]:
        """Return the ids of the processes that are on the list."""
        with self.machine.database() as connection:
            rows = connection.execute("SELECT pid FROM configs_runningprocess").fetchall()
        return {int(pid) for (pid,) in rows}

    def wait_until_all_run(
        self, version: int, seconds: float, names: set[str] | None = None
    ) -> None:
        """Return when every process runs at least `version`; fail when one does not in time."""
        wanted = names or set(self.machine.services)

        def there() -> bool:
            now = self.running()
            return wanted <= set(now) and all(now[name][0] >= version for name in wanted)

        wait_until(there, f"v{version} did not come everywhere", timeout_seconds=seconds)

    def taken_up(self) -> dict[str, list[int]]:
        """Return the releases that each process took up, in order, as it said itself."""
        return {
            name: [int(found) for found in IN_FORCE.findall(service.log.read_text())]
            for name, service in self.machine.services.items()
        }

    def check_never_older(self) -> None:
        """Fail when a process went back."""
        for name, versions in self.taken_up().items():
            assert versions, name
            assert versions == sorted(set(versions)), (name, versions)

    def check_histories(self) -> None:
        """Fail when releases have gaps, or a commit has not exactly one history row."""
        with self.machine.database() as connection:
            releases = connection.execute(
                "SELECT version FROM configs_release ORDER BY version"
            ).fetchall()
            rows = connection.execute(
                "SELECT (SELECT version FROM configs_config WHERE key = 'retrieval.top_k'),"
                " (SELECT count(*) FROM configs_historicalconfig WHERE key = 'retrieval.top_k')"
            ).fetchone()
        numbers = [version for (version,) in releases]
        assert numbers == list(range(1, len(numbers) + 1))
        assert rows is None or rows[0] is None or rows[0] == rows[1]

    def kill_postgres(self) -> None:
        """Kill the database server with all that works for it, as a crash does."""
        pid = self.postgres.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.postgres.pid() is None, "PostgreSQL did not die")
