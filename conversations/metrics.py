"""What Prometheus is told about replies and their streams."""

from prometheus_client import Counter, Gauge, Histogram

REPLIES = Counter("clawai_conversations_replies_total", "Replies that ended.", ["status"])
FIRST_TOKEN = Histogram(
    "clawai_conversations_first_token_seconds",
    "From the question to the first words of its reply.",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 3, 5, 10, 30, 60),
)
RESUMES = Counter(
    "clawai_conversations_resumes_total",
    "Streams taken up again: exactly (lossless) or with the whole text (resync).",
    ["kind"],
)
PUBLISH_FAILURES = Counter(
    "clawai_conversations_publish_failures_total", "Rounds of publishing in which Redis was away."
)
RUNNING = Gauge(
    "clawai_conversations_running_replies", "Replies being written.", multiprocess_mode="livesum"
)
FOLLOWERS = Gauge(
    "clawai_conversations_followers", "Streams being followed.", multiprocess_mode="livesum"
)
SWEPT = Counter(
    "clawai_conversations_swept_replies_total", "Replies that lost their worker.", ["outcome"]
)
