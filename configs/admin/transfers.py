"""The page that takes what steers the system out as YAML, and shows what a file would change."""

from typing import Any, Final

from django import forms
from django.contrib.admin.options import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from configs import bundles, transfer
from configs.admin import drafting
from configs.admin.screens import RIGHT_FOR, actor_of, address, complaints, deed, require, show
from configs.errors import ClawError
from configs.transfer import Preview

MAKE: Final = "_make"
"""Name of the button that makes a draft of what was previewed."""


class FileForm(forms.Form):
    """A bundle: a file, or the text of one that was looked at already."""

    file = forms.FileField(
        label=_("YAML file"), required=False, widget=forms.FileInput(attrs={"accept": ".yaml,.yml"})
    )
    text = forms.CharField(required=False, strip=False, max_length=bundles.LONGEST)

    def clean(self) -> dict[str, Any]:
        """Read the file as text."""
        cleaned = super().clean() or {}
        file: UploadedFile[Any] | None = cleaned.get("file")
        if file is not None:
            cleaned["text"] = self._read(file)
        elif not cleaned.get("text") and "file" not in self.errors:
            self.add_error("file", gettext("Choose a file."))
        return cleaned

    def _read(self, file: "UploadedFile[Any]") -> str:
        if (file.size or 0) > bundles.LONGEST:
            limit = bundles.LONGEST // 1024
            self.add_error("file", gettext("The file may have at most %(kb)d KB.") % {"kb": limit})
            return ""
        try:
            text: str = file.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            self.add_error("file", gettext("The file is not UTF-8 text."))
            return ""
        return text


class TransferScreens(ModelAdmin[Any]):
    """The addresses of export and import, for the admin of settings."""

    def transfer_urls(self) -> list[URLPattern]:
        """Return the addresses."""
        return [
            address(self, "transfer/", self.transfer_view, "transfer"),
            address(self, "transfer/export/", self.export_view, "export"),
        ]

    @deed
    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Download everything that was set, without secrets.

        Raises:
            PermissionDenied: this person may not see settings.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = transfer.export(actor=actor_of(request))
        answer = HttpResponse(text, content_type="application/yaml; charset=utf-8")
        day = timezone.localdate().isoformat()
        answer["Content-Disposition"] = f'attachment; filename="clawai-configs-{day}.yaml"'
        return answer

    def transfer_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the page; POST shows what a file would change, and makes a draft when asked to.

        Raises:
            PermissionDenied: this person may not see settings, or may not change all of them.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._transfer_page(request, FileForm())
        require(request, *set(RIGHT_FOR.values()))
        form = FileForm(request.POST, request.FILES)
        if form.is_valid():
            try:
                return self._take(request, form)
            except ClawError as refusal:
                form.add_error(None, complaints(refusal))
        return self._transfer_page(request, form)

    def _take(self, request: HttpRequest, form: FileForm) -> HttpResponseBase:
        """Preview what the file would change, or make a draft of it."""
        text = form.cleaned_data["text"]
        bundle, actor = bundles.from_text(text), actor_of(request)
        if MAKE not in request.POST:
            seen = transfer.preview(bundle=bundle, actor=actor)
            return self._transfer_page(request, form, preview=seen, text=text)
        title = gettext("Import of %(day)s") % {"day": timezone.localdate().isoformat()}
        change_set = transfer.bring_in(bundle=bundle, title=title, actor=actor)
        return redirect(drafting.page_of(change_set))

    def _transfer_page(
        self, request: HttpRequest, form: FileForm, preview: Preview | None = None, text: str = ""
    ) -> HttpResponseBase:
        return show(
            self,
            request,
            "admin/configs/config/transfer.html",
            title=gettext("Export and import"),
            form=form,
            preview=preview,
            text=text,
            may_change=request.user.has_perms(set(RIGHT_FOR.values())),
        )
