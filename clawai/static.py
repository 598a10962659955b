"""Static files: every module under the name of its content, handed out without blocking."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest
from whitenoise import middleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

PIECE = 256 * 1024


class ManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Hashes what our modules import too: a browser never mixes those of two releases.

    Only ours: the pattern finds imports in the text of bundles that are none.
    """

    _, _js_imports = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns
    max_post_process_passes = 20  # one for each step of the longest chain of imports
    patterns = (*CompressedManifestStaticFilesStorage.patterns, ("js/*.js", _js_imports))


class WhiteNoiseMiddleware(middleware.WhiteNoiseMiddleware):  # type: ignore[misc]
    """Reads files asynchronously under ASGI; Django would read them whole first, and warn."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> FileResponse:
        """Return the answer that holds the file, or a piece of it, or only its headers."""
        response: FileResponse = middleware.WhiteNoiseMiddleware.serve(static_file, request)
        if isinstance(request, ASGIRequest):
            response.streaming_content = _pieces(response.file_to_stream)
        return response


async def _pieces(file: Any) -> AsyncIterator[bytes]:
    """Yield what the file holds; the response closes it."""
    while file and (piece := await asyncio.to_thread(file.read, PIECE)):
        yield piece
