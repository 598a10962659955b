"""Settings of the house: its name and hints, its doors and links, and who may change it."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from configs.registry.setting import Group, Setting

# --- Name and hints: shown to everyone --------------------------------------------------
BRANDING_NAME: Final = Setting(
    "branding.name", "CLAW.AI", _("Name of this assistant."),
    Group.BRANDING, public=True, required=True,
)  # fmt: skip
BRANDING_WELCOME: Final = Setting(
    "branding.welcome", "", _("Greeting above an empty conversation; empty: the built-in one."),
    Group.BRANDING, public=True, multiline=True,
)  # fmt: skip
BRANDING_NOTICE: Final = Setting(
    "branding.notice", "", _("Hint below the composer; empty: the built-in one."),
    Group.BRANDING, public=True, multiline=True,
)  # fmt: skip

BRANDING_EXAMPLES: Final[Setting[tuple[str, ...]]] = Setting(
    "branding.examples", (),
    _("Questions offered in an empty conversation, four at most; none: those of the handbook."),
    Group.BRANDING, maximum=4, public=True,
)  # fmt: skip
BRANDING_SIGN_IN: Final = Setting(
    "branding.sign_in", "", _("Hint on the page where people sign in; empty: the built-in one."),
    Group.BRANDING, public=True, multiline=True,
)  # fmt: skip
BRANDING_SUPPORT: Final = Setting(
    "branding.support", "",
    _("Where people get help, such as an address or a telephone number; shown where they sign in."),
    Group.BRANDING, public=True,
)  # fmt: skip

# --- Signing in -------------------------------------------------------------------------------
LOGINS_PER_ACCOUNT: Final = Setting(
    "sign_in.per_account", 10, _("Attempts at signing in to one account in a period."),
    Group.SIGN_IN, minimum=3, maximum=1000,
)  # fmt: skip
LOGINS_PER_ADDRESS: Final = Setting(
    "sign_in.per_address", 100, _("Attempts at signing in from one address in a period."),
    Group.SIGN_IN, minimum=3, maximum=100_000,
)  # fmt: skip
LOGIN_WINDOW_MINUTES: Final = Setting(
    "sign_in.window_minutes", 5, _("Minutes of the period in which attempts are counted."),
    Group.SIGN_IN, minimum=1, maximum=24 * 60,
)  # fmt: skip
SESSION_HOURS: Final = Setting(
    "sign_in.session_hours", 14 * 24, _("Hours after which people have to sign in again."),
    Group.SIGN_IN, minimum=1, maximum=90 * 24,
)  # fmt: skip
SESSION_IDLE_MINUTES: Final = Setting(
    "sign_in.idle_minutes", 0,
    _("Minutes without a click or a question after which people have to sign in again; 0: never."),
    Group.SIGN_IN, minimum=0, maximum=7 * 24 * 60,
)  # fmt: skip

# --- Links of the dashboard ---------------------------------------------------------------
LINKS_GRAFANA: Final = Setting(
    "links.grafana", "", _("Address of Grafana."), Group.LINKS, url=True,
)  # fmt: skip
LINKS_FLOWER: Final = Setting(
    "links.flower", "", _("Address of Flower, which shows the queues."), Group.LINKS, url=True,
)  # fmt: skip
LINKS_API_DOCS: Final = Setting(
    "links.api_docs", "/api/docs/", _("Address of the documentation of the interface."),
    Group.LINKS, url=True,
)  # fmt: skip

# --- Governance -----------------------------------------------------------------------------
FOUR_EYES: Final = Setting(
    "governance.four_eyes", "",
    _("Keys or groups whose changes need a second person, between commas: for example "
      "answers.*, prompts, endpoints."),
    Group.GOVERNANCE,
)  # fmt: skip
