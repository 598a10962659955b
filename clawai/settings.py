"""Settings from the environment, a `.env` file and what `up` wrote into the data directory."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from csp.constants import NONCE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from clawai import theme
from configs import secrecy

django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
env.read_env(BASE_DIR / ".env")

# Everything that `up` makes lives here: embedded servers, uploads, generated secrets.
DATA_DIR = Path(env.str("CLAWAI_DATA_DIR", default=str(BASE_DIR / ".clawai"))).resolve()
env.read_env(DATA_DIR / "secrets.env")


def _embedded() -> dict[str, Any]:
    """Return what the embedded servers wrote about themselves, or nothing."""
    try:
        return dict(json.loads((DATA_DIR / "stack.json").read_text()))
    except (OSError, ValueError):
        return {}


STACK = _embedded()

# --- The process and its secrets ------------------------------------------------------------
DEBUG = env.bool("CLAWAI_DEBUG", default=False)
SECRET_KEY = env.str("CLAWAI_SECRET_KEY", default="")
FIELD_KEYS: list[str] = env.list("CLAWAI_FIELD_KEYS", default=[])
SHORTEST_SECRET = 50
if len(SECRET_KEY) < SHORTEST_SECRET or len(set(SECRET_KEY)) < 8 or "insecure" in SECRET_KEY:  # noqa: PLR2004
    raise ImproperlyConfigured(
        "CLAWAI_SECRET_KEY is missing or weak: set at least 50 random characters "
        "(`python -c 'import secrets; print(secrets.token_urlsafe(50))'`), or run `manage.py up`, "
        "which makes one."
    )
if not FIELD_KEYS:
    raise ImproperlyConfigured(
        "CLAWAI_FIELD_KEYS is missing: set one or more Fernet keys, newest first, "
        "or run `manage.py up`, which makes one."
    )

# The address that people type: it decides cookies, redirects and the accepted WebSocket origins.
PUBLIC_URL = env.str("CLAWAI_PUBLIC_URL", default=STACK.get("public_url", "https://localhost"))
HTTPS = urlsplit(PUBLIC_URL).scheme == "https"
_public_host = urlsplit(PUBLIC_URL).hostname or "localhost"
_port = f":{urlsplit(PUBLIC_URL).port}" if urlsplit(PUBLIC_URL).port else ""
_loopback = ["localhost", "127.0.0.1", "[::1]"]
_hosts = [_public_host, *(_loopback if _public_host in _loopback else [])]
ALLOWED_HOSTS: list[str] = env.list("CLAWAI_ALLOWED_HOSTS", default=_hosts)
if "*" in ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured("CLAWAI_ALLOWED_HOSTS may not be '*': name the hosts people use.")
WEBSOCKET_ORIGINS = [
    f"{urlsplit(PUBLIC_URL).scheme}://{host}{_port}" for host in dict.fromkeys(_hosts)
]
CSRF_TRUSTED_ORIGINS = list(WEBSOCKET_ORIGINS)
# Networks whose collectors may read /metrics, besides this machine itself.
METRICS_PEERS: list[str] = env.list("CLAWAI_METRICS_PEERS", default=[])
TRUSTED_PROXIES: list[str] = env.list("CLAWAI_TRUSTED_PROXIES", default=[])
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Apps --------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_prometheus",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "simple_history",
    "csp",
    "configs.apps.ConfigsConfig",
    "accounts.apps.AccountsConfig",
    "knowledge.apps.KnowledgeConfig",
    "conversations.apps.ConversationsConfig",
    "clawai.apps.ClawaiConfig",
]

MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "clawai.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "clawai.middleware.ContentSecurityPolicyMiddleware",
    "clawai.middleware.input_middleware",
    "clawai.static.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

ROOT_URLCONF = "clawai.urls"
ASGI_APPLICATION = "clawai.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- PostgreSQL: the only truth ------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default=STACK.get("database_url", ""))
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(
        DATABASE_URL or "postgres://nobody@127.0.0.1:1/run-manage-py-up-or-set-DATABASE_URL"
    )
}
DATABASES["default"]["ENGINE"] = "django.db.backends.postgresql"
# A pooled connection may have died with a restarted server: it is tried before it is lent.
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {}).update(
    pool={
        "min_size": 0,
        "max_size": env.int("CLAWAI_DB_POOL", default=20),
        "timeout": 10,
        "max_idle": 120,
    },
    application_name="clawai",
)
DATABASES["default"]["TEST"] = {"NAME": env.str("CLAWAI_TEST_DB", default="test_clawai")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis: broker, streams and doorbells in database 0, the cache in database 1 ---------------
REDIS_URL = env.str("REDIS_URL", default=STACK.get("redis_url", "redis://127.0.0.1:6379/0"))
_redis_cache = f"{REDIS_URL.rsplit('/', 1)[0]}/1" if REDIS_URL.count("/") > 2 else f"{REDIS_URL}/1"  # noqa: PLR2004
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": env.str("CLAWAI_CACHE_URL", default=_redis_cache),
        "KEY_PREFIX": "clawai",
        "OPTIONS": {
            # JSON: whoever can write Redis must not be able to run code here.
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 1,
            "SOCKET_TIMEOUT": 1,
        },
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            # redis-py 8 gives up reading after 5 s and pools 100 connections; the layer blocks
            # for 5 s and holds one connection a socket, so both defaults close healthy sockets.
            "hosts": [{"address": REDIS_URL, "socket_timeout": 60, "max_connections": 5000}],
            "prefix": "clawai:layer",
        },
    }
}

# --- Celery ------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TRACK_STARTED = True
CELERY_TASK_SOFT_TIME_LIMIT = 25 * 60
CELERY_TASK_TIME_LIMIT = 30 * 60
CELERY_TIMEZONE = "Asia/Shanghai"
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "conversations.tasks.*": {"queue": "answers"},
    "knowledge.tasks.*": {"queue": "indexing"},
    "accounts.tasks.*": {"queue": "indexing"},
    "configs.tasks.publish_due": {"queue": "answers"},  # a long document must not delay it
    "configs.tasks.*": {"queue": "indexing"},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "clawai:celery:",
    "socket_timeout": 60,
    "socket_connect_timeout": 2,
    "retry_policy": {"timeout": 2.0},
    # A nudge to a dead broker gives up at once (6 s otherwise): the sweeper finds the row later.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "publish-due": {
        "task": "configs.tasks.publish_due",
        "schedule": 3.0,
        "options": {"expires": 30},
    },
    "sweep-jobs": {"task": "configs.tasks.sweep_jobs", "schedule": 2.0},
    "forget-old": {"task": "accounts.tasks.forget_old", "schedule": 3600.0},
    "sweep-replies": {"task": "conversations.tasks.sweep_replies", "schedule": 5.0},
    "sweep-documents": {"task": "knowledge.tasks.sweep_documents", "schedule": 15.0},
}

# --- People ------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "accounts:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_RESET_TIMEOUT = 3 * 24 * 3600  # an invitation is good for three days

SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "clawai_session"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "clawai_csrf"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "clawai.errors.csrf_failure"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "worker-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

# --- Languages and time --------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True
USE_I18N = True

# --- Files -------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
# The commands that write the manifest need its storage before it exists.
_manifest = (STATIC_ROOT / "staticfiles.json").exists() or sys.argv[1:2] in (
    ["collectstatic"],
    ["prepare"],
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "clawai.static.ManifestStorage"
        if _manifest and not DEBUG
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG or not _manifest
MEDIA_ROOT = DATA_DIR / "media"
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- REST --------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.permissions.ScopeAllows",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["clawai.api.StrictJSONParser"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "clawai.schema.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "clawai.api.CursorPagination",
    "EXCEPTION_HANDLER": "clawai.api.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "SIGNING_KEY": f"jwt:{SECRET_KEY}",
    "ALGORITHM": "HS256",
    "ISSUER": "clawai",
    "AUDIENCE": "clawai",
    "USER_ID_CLAIM": "sub",
    "LEEWAY": 30,  # clocks of several machines
}
SPECTACULAR_SETTINGS = {
    "TITLE": "CLAW.AI",
    "DESCRIPTION": "Chat with GLM-4 over your company's own documents.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
}

# --- Models: the endpoints themselves are rows; these are the environment's part ------------------
ZHIPUAI_API_KEY = env.str("ZHIPUAI_API_KEY", default="")
ZHIPUAI_BASE_URL = env.str("ZHIPUAI_BASE_URL", default="")

# --- Logs --------------------------------------------------------------------------------
for _secret in (SECRET_KEY, *FIELD_KEYS, ZHIPUAI_API_KEY, DATABASES["default"]["PASSWORD"]):
    secrecy.remember(_secret or "")
LOG_FORMAT = env.str("CLAWAI_LOG_FORMAT", default="console")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request": {"()": "clawai.logs.RequestIdFilter"},
        "secrets": {"()": "clawai.logs.SecretsFilter"},
    },
    "formatters": {
        "console": {"()": "clawai.logs.ConsoleFormatter"},
        "json": {"()": "clawai.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "json" if LOG_FORMAT == "json" else "console",
            "filters": ["request", "secrets"],
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("CLAWAI_LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": ["stderr"], "propagate": False},
        "httpx": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}

# --- The admin's theme ---------------------------------------------------------------------
UNFOLD = theme.UNFOLD
