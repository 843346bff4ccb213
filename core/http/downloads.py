"""A stored file as an answer, the same for pages and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from flask import Response

from core.files.service import open_file
from core.files.storage import content_disposition, is_inline_safe
from core.http.requests import unit_of_work

__all__ = ["download", "file_to_send", "stream_response"]

_CHUNK = 1 << 18


def download(file_id: int) -> Response:
    """The file, for who may read it now; only pictures open within the browser."""
    with unit_of_work(write=False) as uow:
        row, stream = open_file(uow, file_id)
    media_type = row.media_type or "application/octet-stream"
    response = stream_response(stream, row.name, media_type, inline=is_inline_safe(media_type))
    response.content_length = row.size
    return response


@contextmanager
def file_to_send() -> Iterator[BinaryIO]:
    """A new file for `stream_response`, at its beginning after the block; closed if that fails."""
    file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - closed with the response
    try:
        yield file
        file.seek(0)
    except BaseException:
        file.close()
        raise


def stream_response(
    stream: BinaryIO, name: str, media_type: str, *, inline: bool = False
) -> Response:
    """The rest of ``stream``, which is closed afterwards, under a file name."""
    response = Response(_pieces(stream), content_type=media_type, direct_passthrough=True)
    response.call_on_close(stream.close)
    response.headers["Content-Disposition"] = content_disposition(name, inline=inline)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
