"""What is sent as a form, before anything looks at it."""

from __future__ import annotations

from typing import IO

from flask import Request
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import BadRequest
from werkzeug.formparser import FormDataParser

__all__ = ["NamedRequest"]


class _NamedParts(FormDataParser):
    """Each part of a multipart form has a name: who reads forms need not think of one without."""

    def parse(
        self,
        stream: IO[bytes],
        mimetype: str,
        content_length: int | None,
        options: dict[str, str] | None = None,
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        kept, form, files = super().parse(stream, mimetype, content_length, options)
        if None in form or None in files:
            for _name, file in files.items(multi=True):
                file.close()
            raise BadRequest
        return kept, form, files


class NamedRequest(Request):
    """A request of which every part of a form has a name; other ones are answered by 400."""

    form_data_parser_class = _NamedParts
