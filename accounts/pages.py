"""Pages of the entrance: sign in and out, password, invitation, language and theme."""

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth import views as auth_views
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import limits, services, stepup
from accounts.forms import (
    ConfirmForm,
    InvitationForm,
    LoginForm,
    PasswordChangeForm,
    PreferencesForm,
)
from accounts.models import User
from configs import registry, runtime
from configs.errors import RateLimited, Unavailable

LANGUAGE_COOKIE_SECONDS = 365 * 24 * 3600


class LoginView(auth_views.LoginView):
    """Lets people in, to `next` where that is an address of ours; counts every attempt."""

    template_name = "accounts/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True
    http_method_names = ["get", "head", "post"]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Check the attempt against the limits before the password."""
        try:
            limits.count_login(request, request.POST.get("username", ""))
        except (RateLimited, Unavailable) as refusal:
            return self._refuse(refusal)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Let the person in, in the language that they chose the last time."""
        answer = super().form_valid(form)
        user: User = form.get_user()
        if user.language:
            _remember_language(answer, user.language)
        return answer

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Add what an operator has people told here."""
        snapshot = runtime.current()
        return super().get_context_data(
            brand=snapshot.get(registry.BRANDING_NAME),
            hint=snapshot.get(registry.BRANDING_SIGN_IN),
            support=snapshot.get(registry.BRANDING_SUPPORT),
            **context,
        )

    def _refuse(self, refusal: RateLimited | Unavailable) -> HttpResponse:
        """Show the form again, with nothing checked and the time to wait."""
        form = LoginForm(self.request, initial={"username": self.request.POST.get("username", "")})
        context = self.get_context_data(form=form, refusal=refusal)
        page = self.render_to_response(context, status=refusal.status)
        page.headers["Retry-After"] = str(refusal.retry_after)
        return page


class LogoutView(auth_views.LogoutView):
    """Ends the session; a link cannot do it, only a form."""

    http_method_names = ["post"]


@method_decorator([sensitive_post_parameters(), never_cache, login_required], name="dispatch")
class PasswordChangeView(auth_views.PasswordChangeView):
    """Changes one's own password; other sessions end, this one goes on."""

    template_name = "accounts/password_change.html"
    form_class = PasswordChangeForm
    http_method_names = ["get", "head", "post"]

    def form_valid(self, form: Any) -> HttpResponse:
        """Store the password and keep this browser signed in."""
        services.change_password(target=form.user, password=form.cleaned_data["new_password1"])
        update_session_auth_hash(self.request, form.user)
        messages.success(
            self.request, _("Your password is changed. You are signed out everywhere else.")
        )
        return HttpResponseRedirect(settings.LOGIN_REDIRECT_URL)


@sensitive_post_parameters()
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """Let an invited person choose a password, once, and come in."""
    target = services.invited(uid=uid, token=token)
    if target is None:
        return render(request, "accounts/invitation_invalid.html", status=404)
    form = InvitationForm(target, request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = services.accept_invitation(
            target=target,
            token=token,
            password=form.cleaned_data["new_password1"],
            display_name=form.cleaned_data["display_name"],
        )
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return redirect(settings.LOGIN_REDIRECT_URL)
    page = render(request, "accounts/invitation.html", {"form": form, "invited": target})
    page.headers["Referrer-Policy"] = "no-referrer"
    return page


@sensitive_post_parameters()
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest) -> HttpResponse:
    """Ask a person who is signed in for their password again, and send them back."""
    following = _ours(request, request.POST.get("next") or request.GET.get("next", ""))
    form, refusal = ConfirmForm(request.POST or None), None
    if request.method == "POST" and form.is_valid():
        try:
            if _is_right(request, form):
                return redirect(following)
        except (RateLimited, Unavailable) as refused:
            form, refusal = ConfirmForm(), refused
    context = {"form": form, "refusal": refusal, "next": following}
    page = render(
        request, "accounts/confirm.html", context, status=refusal.status if refusal else 200
    )
    if refusal:
        page.headers["Retry-After"] = str(refusal.retry_after)
    return page


def _is_right(request: HttpRequest, form: ConfirmForm) -> bool:
    person = cast(User, request.user)
    right = stepup.confirm(request, person=person, password=form.cleaned_data["password"])
    if not right:
        form.add_error(None, _("This is not your password."))
    return right


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Remember language and theme, for the person and for the browser, and go back."""
    form = PreferencesForm(request.POST)
    if not form.is_valid():
        return redirect(settings.LOGIN_REDIRECT_URL)
    chosen = {name: value for name, value in form.cleaned_data.items() if value}
    if request.user.is_authenticated:
        services.set_preferences(target=request.user, **chosen)
    answer = HttpResponseRedirect(_safe_next(request))
    if "language" in chosen:
        _remember_language(answer, chosen["language"])
    return answer


def admin_entrance(request: HttpRequest) -> HttpResponseBase:
    """Send visitors of the admin to the one place where people sign in.

    Raises:
        PermissionDenied: the person is signed in, and has no business in the admin.
    """
    if request.user.is_authenticated:
        raise PermissionDenied
    return auth_views.redirect_to_login(request.GET.get("next", "/admin/"))


def _safe_next(request: HttpRequest) -> str:
    """Return the address to go back to, if it is one of ours."""
    return _ours(request, request.POST.get("next") or request.headers.get("Referer", ""))


def _ours(request: HttpRequest, wanted: str) -> str:
    """Return the address, or the start page in the place of one that is not ours."""
    ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if ours else settings.LOGIN_REDIRECT_URL


def _remember_language(answer: HttpResponse, language: str) -> None:
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=LANGUAGE_COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
