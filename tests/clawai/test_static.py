"""Static files: modules import each other by the names of their content; nothing blocks."""

import json
import re
import warnings

import pytest
from django.contrib.staticfiles.finders import get_finders
from django.test import AsyncClient, override_settings

from clawai.static import ManifestStorage, WhiteNoiseMiddleware

IMPORT = re.compile(r'(?:from|import)\s*\(?\s*"(\.{1,2}/[^"]+)"')


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("collected")
    with override_settings(STATIC_ROOT=str(folder)):
        storage = ManifestStorage(location=str(folder), base_url="/static/")
        paths = {}
        for finder in get_finders():
            for path, source in finder.list([]):
                if path.startswith(("js/", "vendor/")):
                    with source.open(path) as file:
                        storage.save(path, file)
                    paths[path] = (storage, path)
        failures = [
            error for *_, error in storage.post_process(paths) if isinstance(error, Exception)
        ]
        assert failures == []
    return folder


def test_manifest__every_import_of_ours__names_the_content(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    ours = {source: hashed for source, hashed in names.items() if source.startswith("js/")}
    imports = 0
    for hashed in ours.values():
        for target in IMPORT.findall((collected / hashed).read_text()):
            imports += 1
            path = (collected / hashed).parent.joinpath(target).resolve()
            assert str(path.relative_to(collected)) in names.values()
    assert imports > 100


async def test_asgi__static_file__comes_whole_without_a_warning(settings, tmp_path):
    (tmp_path / "big.js").write_bytes(b"x" * 600_000)
    settings.STATIC_ROOT, settings.WHITENOISE_USE_FINDERS = str(tmp_path), False
    settings.WHITENOISE_AUTOREFRESH = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = AsyncClient()
        response = await client.get("/static/big.js")
        body = b"".join([piece async for piece in response])
        tag = response.headers["Last-Modified"]
        again = await client.get("/static/big.js", headers={"If-Modified-Since": tag})
        part = await client.get("/static/big.js", headers={"Range": "bytes=10-19"})
        piece = b"".join([each async for each in part])
    assert body == b"x" * 600_000
    assert (response.status_code, again.status_code, part.status_code) == (200, 304, 206)
    assert piece == b"x" * 10


def test_wsgi__static_file__is_served_as_ever(settings, tmp_path, rf):
    (tmp_path / "small.js").write_bytes(b"small")
    settings.STATIC_ROOT, settings.WHITENOISE_USE_FINDERS = str(tmp_path), False
    response = WhiteNoiseMiddleware(lambda request: None)(rf.get("/static/small.js"))
    assert b"".join(response) == b"small"
    response.file_to_stream.close()
