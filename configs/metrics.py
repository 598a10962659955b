"""What Prometheus is told about the configuration that a process runs with."""

from typing import Final

from prometheus_client import Counter, Gauge

POLLED: Final = Gauge(
    "clawai_configs_polled_timestamp_seconds",
    "When the process last looked for a newer release with success, as a Unix time.",
    multiprocess_mode="liveall",
)
REFRESHES: Final = Counter(
    "clawai_configs_refreshes_total", "Releases that were taken up while the process ran."
)
FAILURES: Final = Counter(
    "clawai_configs_refresh_failures_total",
    "Looks for a newer release that failed (database), and doorbells that broke (doorbell).",
    ["source"],
)


def polled() -> None:
    """Note that the process has just looked for a newer release."""
    POLLED.set_to_current_time()
