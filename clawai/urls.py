"""Every address of the web and of the API."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.i18n import JavaScriptCatalog
from drf_spectacular.views import (
    SpectacularAPIView,
    SpectacularRedocView,
    SpectacularSwaggerSplitView,
)
from rest_framework.permissions import AllowAny

from accounts import pages as accounts_pages
from accounts import views as accounts_views
from clawai import errors, health, steering
from clawai.dashboard import finding, workers
from configs import views as configs_views
from conversations import pages as conversations_pages
from conversations import trying
from conversations import views as conversations_views
from knowledge import pages as knowledge_pages
from knowledge import views as knowledge_views

handler400 = "clawai.errors.handler400"
handler403 = "clawai.errors.handler403"
handler404 = "clawai.errors.handler404"
handler500 = "clawai.errors.handler500"

operations = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

accounts = [
    path("accounts/confirm/", accounts_pages.confirm, name="confirm"),
    path(
        "accounts/invitation/<str:uid>/<str:token>/", accounts_pages.invitation, name="invitation"
    ),
    path("accounts/login/", accounts_pages.LoginView.as_view(), name="login"),
    path("accounts/logout/", accounts_pages.LogoutView.as_view(), name="logout"),
    path("accounts/password/", accounts_pages.PasswordChangeView.as_view(), name="password_change"),
    path("accounts/preferences/", accounts_pages.preferences, name="preferences"),
]

administration = [
    path("admin/login/", accounts_pages.admin_entrance),
    path(
        "admin/password_change/",
        RedirectView.as_view(pattern_name="accounts:password_change", permanent=False),
    ),
    path(
        "admin/configs/prompttemplate/<int:pk>/try/",
        admin.site.admin_view(trying.page),
        name="prompt_trial",
    ),
    path("admin/search/", admin.site.admin_view(finding.page)),
    path("admin/workers/", admin.site.admin_view(workers.page), name="operations_workers"),
    path("admin/workers/sweep/", admin.site.admin_view(workers.sweep), name="operations_sweep"),
    path(
        "admin/workers/documents/<uuid:pk>/",
        admin.site.admin_view(workers.requeue),
        name="operations_requeue",
    ),
    path("admin/", admin.site.urls),
    # The admin's language menu asks for this name.
    path("i18n/setlang/", accounts_pages.preferences, name="set_language"),
]

conversations = [
    path("", conversations_pages.chat, name="new"),
    path("c/<uuid:conversation>/", conversations_pages.chat, name="conversation"),
]

knowledge = [
    path("knowledge/", knowledge_pages.bases, name="bases"),
    path("knowledge/documents/<uuid:document>/", knowledge_pages.document, name="document"),
    path("knowledge/documents/<uuid:document>/text/", knowledge_pages.text, name="text"),
    path("knowledge/<uuid:base>/", knowledge_pages.base_by_id, name="base_by_id"),
    path("knowledge/<str:slug>/", knowledge_pages.base, name="base"),
    path("knowledge/<str:slug>/search/", knowledge_pages.base, {"searching": True}, name="search"),
]

rest = [
    path("api-keys/", accounts_views.ApiKeysView.as_view()),
    path("api-keys/<uuid:pk>/", accounts_views.ApiKeyView.as_view()),
    path("api-keys/<uuid:pk>/rotate/", accounts_views.ApiKeyRotateView.as_view()),
    path("auth/token/", accounts_views.TokenView.as_view()),
    path("auth/token/refresh/", accounts_views.TokenRefreshView.as_view()),
    path("auth/token/revoke/", accounts_views.TokenRevokeView.as_view()),
    path("configs/", steering.SettingsView.as_view()),
    path("configs/public/", configs_views.PublicView.as_view()),
    path("configs/<str:key>/", steering.SettingView.as_view()),
    path("configs/<str:key>/history/", steering.HistoryView.as_view()),
    path("configs/<str:key>/rollback/", steering.RollbackView.as_view()),
    path("conversations/", conversations_views.ConversationsView.as_view()),
    path("conversations/<uuid:pk>/", conversations_views.ConversationView.as_view()),
    path("conversations/<uuid:pk>/export/", conversations_views.ExportView.as_view()),
    path("conversations/<uuid:pk>/messages/", conversations_views.MessagesView.as_view()),
    path("messages/<uuid:pk>/", conversations_views.MessageView.as_view()),
    path("messages/<uuid:pk>/feedback/", conversations_views.FeedbackView.as_view()),
    path("messages/<uuid:pk>/regenerate/", conversations_views.RegenerateView.as_view()),
    path("messages/<uuid:pk>/stop/", conversations_views.StopView.as_view()),
    path("messages/<uuid:pk>/stream/", conversations_views.StreamView.as_view()),
    path("documents/<uuid:pk>/", knowledge_views.DocumentView.as_view()),
    path("documents/<uuid:pk>/chunks/", knowledge_views.ChunksView.as_view()),
    path("documents/<uuid:pk>/reindex/", knowledge_views.DocumentReindexView.as_view()),
    path("knowledge-bases/", knowledge_views.BasesView.as_view()),
    path("knowledge-bases/<uuid:pk>/", knowledge_views.BaseView.as_view()),
    path("knowledge-bases/<uuid:pk>/documents/", knowledge_views.DocumentsView.as_view()),
    path("knowledge-bases/<uuid:pk>/reindex/", knowledge_views.BaseReindexView.as_view()),
    path("knowledge-bases/<uuid:pk>/search/", knowledge_views.SearchView.as_view()),
    path("me/", accounts_views.MeView.as_view(), name="me"),
]

_open = {"authentication_classes": [], "permission_classes": [AllowAny]}
documentation = [
    path("api/schema/", SpectacularAPIView.as_view(**_open), name="schema"),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(url_name="schema", **_open),
        name="swagger",
    ),
    path("api/redoc/", SpectacularRedocView.as_view(url_name="schema", **_open), name="redoc"),
]

urlpatterns = [
    *operations,
    path("", include((accounts, "accounts"))),
    *administration,
    path("", include((conversations, "conversations"))),
    path("", include((knowledge, "knowledge"))),
    path("jsi18n/", JavaScriptCatalog.as_view(), name="jsi18n"),
    *documentation,
    path("api/v1/", include((rest, "api"))),
    # Also without a slash at the end: a redirect would turn a POST into a GET.
    re_path(r"^(?:api|v1)(?:/|$)", errors.unknown_address),
]
