"""Texts go out gzip-compressed to who takes them so; files and streams go out as they are."""

from __future__ import annotations

import gzip

from flask import Response, request

__all__ = ["compress"]

#: Below, the answer fits one packet and nothing is won.
SMALLEST = 1024
#: Of zlib: about 1 ms for a long page.
LEVEL = 5
_TEXTS = frozenset({"application/json", "application/problem+json", "image/svg+xml"})


def compress(response: Response) -> Response:
    """Compress a text of 1 KB or more when the caller takes gzip, and say that it depends on that.

    Not for who comes from another site: whoever can ask for pages from there, and watch how long
    the answers are, could otherwise guess at what stands in them (BREACH). The CSRF token is masked
    besides, see `core.http.security.csrf_token`.
    """
    if (
        not _is_text(response)
        or response.status_code != 200
        or "Content-Encoding" in response.headers
    ):
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings.quality("gzip") <= 0 or _is_foreign():
        return response
    response.direct_passthrough = False
    source = response.response
    body = response.get_data()
    if close := getattr(source, "close", None):
        close()
    if len(body) < SMALLEST:
        return response
    response.set_data(gzip.compress(body, LEVEL, mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    response.headers.pop("Accept-Ranges", None)
    etag, _is_weak = response.get_etag()
    if etag is not None and not request.path.startswith("/api/"):  # there it is sent as If-Match
        response.set_etag(etag, weak=True)
    return response


def _is_text(response: Response) -> bool:
    """True for pages, JSON and our own static texts; what is streamed or saved as a file is neither."""
    kind = response.mimetype or ""
    if not kind.startswith("text/") and kind not in _TEXTS:
        return False
    if request.endpoint == "system.static":
        return True
    return not (response.is_streamed or response.direct_passthrough) and (
        "Content-Disposition" not in response.headers
    )


def _is_foreign() -> bool:
    return request.headers.get("Sec-Fetch-Site") == "cross-site"
