"""Settings of the house: its name and hints, its links, and who may change it."""

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
