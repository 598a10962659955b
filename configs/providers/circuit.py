"""Circuit breakers: an endpoint that keeps failing is left alone for a while."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from configs.providers.base import Endpoint

FAILURES_TO_OPEN = 3
OPEN_SECONDS = 30.0

Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    opened_at: float | None = None
    trial_since: float | None = None


@dataclass(slots=True)
class Circuits:
    """One circuit an endpoint: open after three failures in a row, half-open 30 s later.

    Half-open lets one call through as a trial; its success closes the circuit, its failure opens
    it for another 30 s. An endpoint whose address or model changes starts with a closed one.
    """

    clock: Callable[[], float] = time.monotonic
    _circuits: dict[Key, _Circuit] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def admits(self, endpoint: Endpoint) -> bool:
        """Say whether a call may go to the endpoint now; a yes may be the trial."""
        with self._lock:
            circuit = self._of(endpoint)
            if circuit.opened_at is None:
                return True
            now = self.clock()
            since = max(circuit.opened_at, circuit.trial_since or circuit.opened_at)
            if now - since < OPEN_SECONDS:
                return False
            circuit.trial_since = now  # should this trial never report back, there is another
            return True

    def succeeded(self, endpoint: Endpoint) -> None:
        """Close the circuit."""
        with self._lock:
            self._circuits.pop(self._key(endpoint), None)

    def failed(self, endpoint: Endpoint) -> None:
        """Count a failure; the third in a row, or that of a trial, opens the circuit."""
        with self._lock:
            circuit = self._of(endpoint)
            circuit.failures += 1
            if circuit.failures >= FAILURES_TO_OPEN:
                circuit.opened_at, circuit.trial_since = self.clock(), None

    def seconds_until_trial(self, endpoint: Endpoint) -> int:
        """Return how long the endpoint is left alone still, at least 1."""
        with self._lock:
            circuit = self._of(endpoint)
            since = circuit.trial_since or circuit.opened_at or 0
            return max(1, round(since + OPEN_SECONDS - self.clock()))

    def _of(self, endpoint: Endpoint) -> _Circuit:
        return self._circuits.setdefault(self._key(endpoint), _Circuit())

    @staticmethod
    def _key(endpoint: Endpoint) -> Key:
        return endpoint.name, endpoint.provider, endpoint.base_url, endpoint.model
