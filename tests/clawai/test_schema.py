"""The OpenAPI document: whole, valid, and made without a warning."""

import yaml
from django.core.management import call_command


def test_schema__generated__is_valid_and_without_warnings(db, tmp_path):
    target = tmp_path / "schema.yml"
    call_command("spectacular", file=str(target), validate=True, fail_on_warn=True)
    paths = yaml.safe_load(target.read_text())["paths"]
    assert paths["/api/v1/conversations/"]["get"]["operationId"] == "conversations_list"
    assert "/api/v1/me/" in paths


def test_documentation__anonymous__is_served_from_here(browser_of):
    visitor = browser_of(None)
    for address in ("/api/schema/", "/api/docs/", "/api/redoc/"):
        response = visitor.get(address)
        assert response.status_code == 200
        assert "https://cdn" not in response.content.decode()
