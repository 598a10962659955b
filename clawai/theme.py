"""How the admin looks: its colours, its sidebar, and the words that it does not translate."""

from typing import Any, Final

from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, ngettext_lazy

TEAL: Final = {
    "50": "#f1f8f7",
    "100": "#e3f0ee",
    "200": "#c2e0dc",
    "300": "#93cac3",
    "400": "#6dbdb3",
    "500": "#45a89d",
    "600": "#0f6b62",
    "700": "#0a544d",
    "800": "#0a443f",
    "900": "#0a3834",
    "950": "#04211f",
}
"""The accent of `static/css/tokens.css` and its neighbours."""

CALM: Final = {
    "50": "#faf9f7",
    "100": "#f3f1ed",
    "200": "#e4e0d9",
    "300": "#cfcac1",
    "400": "#a19c92",
    "500": "#6f695f",
    "600": "#5a554c",
    "700": "#3f433d",
    "800": "#2a2d29",
    "900": "#1a1c19",
    "950": "#121311",
}
"""The greys of `static/css/tokens.css`: warm in the light, without blue in the dark."""


def _screens(title: Any, *screens: tuple[Any, str, str]) -> dict[str, Any]:
    """Return a group of the admin's sidebar: title, icon and `app_model` of each screen."""
    items = [
        _item(name, icon, f"admin:{model}_changelist", "{}.view_{}".format(*model.split("_", 1)))
        for name, icon, model in screens
    ]
    return {"title": title, "separator": True, "items": items}


def _item(name: Any, icon: str, address: str, right: str) -> dict[str, Any]:
    """Return a line of the sidebar for those who have the right to it."""
    return {
        "title": name,
        "icon": icon,
        "link": reverse_lazy(address),
        "permission": lambda request: request.user.has_perm(right),
    }


def _group(title: Any, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(items)}


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "CLAW.AI",
    "SITE_HEADER": "CLAW.AI",
    "SITE_URL": "/",
    "SITE_ICON": lambda request: static("img/logo.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/favicon.svg")}
    ],
    "COLORS": {"primary": TEAL, "base": CALM},
    "DASHBOARD_CALLBACK": "clawai.dashboard.page.context",
    "STYLES": [lambda request: static("admin/house.css")],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": None,
                "separator": False,
                "items": [
                    {
                        "title": _("Dashboard"),
                        "icon": "space_dashboard",
                        "link": reverse_lazy("admin:index"),
                    }
                ],
            },
            _screens(
                _("Configs"),
                (_("Settings"), "tune", "configs_config"),
                (_("Drafts and reviews"), "rule", "configs_changeset"),
                (_("Model endpoints"), "hub", "configs_modelendpoint"),
                (_("Prompt templates"), "edit_note", "configs_prompttemplate"),
                (_("Releases"), "history", "configs_release"),
            ),
            _group(
                _("Operation"),
                _item(
                    _("Workers and queues"),
                    "lan",
                    "operations_workers",
                    "configs.view_runningprocess",
                ),
                _item(
                    _("Processes"),
                    "memory",
                    "admin:configs_runningprocess_changelist",
                    "configs.view_runningprocess",
                ),
                {
                    "title": _("Jobs"),
                    "icon": "pending_actions",
                    "link": reverse_lazy("admin:configs_job_changelist"),
                },
            ),
            _group(
                _("Knowledge"),
                *_screens(
                    None,
                    (_("Knowledge bases"), "library_books", "knowledge_knowledgebase"),
                    (_("Documents"), "description", "knowledge_document"),
                    (_("Document versions"), "difference", "knowledge_documentversion"),
                    (_("Passages"), "segment", "knowledge_chunk"),
                    (_("Index generations"), "layers", "knowledge_indexgeneration"),
                )["items"],
                _item(
                    _("Search test"),
                    "manage_search",
                    "admin:knowledge_knowledgebase_search",
                    "knowledge.view_knowledgebase",
                ),
            ),
            _screens(
                _("Conversations"),
                (_("Conversations"), "forum", "conversations_conversation"),
                (_("Messages"), "chat", "conversations_message"),
                (_("Citations"), "format_quote", "conversations_citation"),
                (_("Feedback"), "thumbs_up_down", "conversations_feedback"),
            ),
            _screens(
                _("People"),
                (_("Users"), "person", "accounts_user"),
                (_("Roles and groups"), "groups", "auth_group"),
            ),
            _screens(
                _("Records"),
                (_("Audit log"), "policy", "configs_auditentry"),
                (_("Admin log"), "receipt_long", "admin_logentry"),
            ),
        ],
    },
}


# The theme ships no Chinese: what is named here stands in our own catalogue.
WORDS: Final = (
    gettext_noop("All applications"),
    gettext_noop("Apply Filters"),
    gettext_noop("Changes"),
    gettext_noop(
        "Choose a date from the list below to revert to a previous version of this object"
    ),
    gettext_noop("Choose file to upload"),
    gettext_noop("Click to cancel"),
    gettext_noop("Click to download"),
    gettext_noop("Dark"),
    gettext_noop("Date"),
    gettext_noop("Expand row"),
    gettext_noop("False"),
    gettext_noop("General"),
    gettext_noop("Go back"),
    gettext_noop("Image preview"),
    gettext_noop("Light"),
    gettext_noop("Loading more results..."),
    gettext_noop("More actions"),
    gettext_noop("Next"),
    gettext_noop("No data"),
    gettext_noop("No recent searches"),
    gettext_noop("No results found"),
    gettext_noop("No results matching your query"),
    gettext_noop("Previous"),
    gettext_noop(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you "
        'can change the password using <a href="{}" class="text-primary-600 '
        'dark:text-primary-500">this form</a>.'
    ),
    gettext_noop("Recent searches"),
    gettext_noop("Reset filters"),
    gettext_noop("Return to site"),
    gettext_noop("Run"),
    gettext_noop("Search apps and models..."),
    gettext_noop("Select action"),
    gettext_noop("Select action to run"),
    gettext_noop("Select all rows"),
    gettext_noop("Select record"),
    gettext_noop("Select value"),
    gettext_noop("Submit"),
    gettext_noop("System"),
    gettext_noop("This item will be deleted."),
    gettext_noop("This page yielded into no results. Create a new item or reset your filters."),
    gettext_noop("Toggle password visibility"),
    gettext_noop("True"),
    gettext_noop("Type to search"),
    gettext_noop("Welcome back to"),
    gettext_noop("You have been successfully logged out from the administration"),
    gettext_noop("After you've created a user, you’ll be able to edit more user options."),
)

FOUND: Final = ngettext_lazy(
    "\n                Found %(counter)s result in %(time)s seconds\n            ",
    "\n                Found %(counter)s results in %(time)s seconds\n            ",
    "counter",
)
