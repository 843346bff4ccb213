"""The one file store: uploads under random keys, and what a browser may be told about them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from core.faults import fault
from core.fields.types import PICTURES

__all__ = [
    "FileMissing",
    "FileTooLarge",
    "LocalStorage",
    "S3Storage",
    "Storage",
    "StorageError",
    "StoredFile",
    "content_disposition",
    "is_inline_safe",
    "is_key",
    "open_storage",
    "safe_filename",
    "sniff_media_type",
]

_KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}")
_CHUNK = 1 << 18
_IN_MEMORY = 1 << 20
_INCOMING = "incoming"

_OFFICE = "application/vnd.openxmlformats-officedocument."
_ZIPPED = {
    "docx": _OFFICE + "wordprocessingml.document",
    "xlsx": _OFFICE + "spreadsheetml.sheet",
    "pptx": _OFFICE + "presentationml.presentation",
}
_OLE = {
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
}
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
#: What a browser would run rather than show, known by its name or by a mark in its text.
_ACTIVE_EXTENSIONS = {
    "svg": "image/svg+xml",
    "htm": "text/html",
    "html": "text/html",
    "xhtml": "application/xhtml+xml",
    "xml": "application/xml",
    "xsl": "application/xml",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "css": "text/css",
}
_ACTIVE_MARKS = (
    (re.compile(r"<svg\b", re.I), "image/svg+xml"),
    (re.compile(r"<\?xml\b", re.I), "application/xml"),
    (re.compile(r"<[!/?a-z]", re.I), "text/html"),
)
_UNKNOWN = "application/octet-stream"
#: Control, format (invisible and direction-changing), surrogate, private and unassigned.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RESERVED = re.compile(r'[<>:"|?*;%]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.I)
_LONGEST_NAME = 180
_LONGEST_SUFFIX = 20


class StorageError(Exception):
    """The store cannot do what was asked."""


class FileMissing(StorageError):
    """There is no file of this key."""


class FileTooLarge(StorageError):
    """The stream goes on beyond what the caller allows; nothing was kept of it."""


@dataclass(frozen=True)
class StoredFile:
    """Where a file went, its size in bytes and the SHA-256 of its content in hex."""

    key: str
    size: int
    sha256: str


class Storage(Protocol):
    """A store of files that never change. Keys are made here and say nothing about the file."""

    def put(self, stream: IO[bytes], *, max_bytes: int, key: str | None = None) -> StoredFile:
        """Keep the stream, read from where it stands. Raises `FileTooLarge` beyond the limit.

        ``key`` is for a file that comes back from a backup, under the name that it had.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """The file from its beginning, seekable; the caller closes it. Raises `FileMissing`."""
        ...

    def delete(self, key: str) -> None:
        """Drop a file; one that is gone already is no error."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is a file of this key."""
        ...

    def iter_keys(self) -> Iterator[str]:
        """All keys, in their order; a page or a folder of them at a time."""
        ...


class LocalStorage:
    """Files in a folder; complete on the disk before they have a name."""

    def __init__(self, root: Path) -> None:
        self._root = root
        (root / _INCOMING).mkdir(parents=True, exist_ok=True)

    def put(self, stream: IO[bytes], *, max_bytes: int, key: str | None = None) -> StoredFile:
        """See `Storage.put`."""
        key = _new_key() if key is None else _checked_key(key)
        temporary = self._root / _INCOMING / _new_key().replace("/", "")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as target:
                size, sha256 = _copy(stream, target, max_bytes)
                target.flush()
                os.fsync(target.fileno())
            fault("files.before_rename")
            with self._folder(key, create=True) as folder:
                os.rename(temporary, key.rpartition("/")[2], dst_dir_fd=folder)
                os.fsync(folder)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fault("files.after_rename")
        return StoredFile(key, size, sha256)

    def open(self, key: str) -> BinaryIO:
        """See `Storage.open`."""
        try:
            with self._folder(key) as folder:
                name = key.rpartition("/")[2]
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise FileMissing(f"no file {key}") from error
        return os.fdopen(descriptor, "rb")

    def delete(self, key: str) -> None:
        """See `Storage.delete`."""
        with suppress(FileNotFoundError), self._folder(key) as folder:
            os.unlink(key.rpartition("/")[2], dir_fd=folder)

    def exists(self, key: str) -> bool:
        """See `Storage.exists`."""
        try:
            self.open(key).close()
        except FileMissing:
            return False
        return True

    def iter_keys(self) -> Iterator[str]:
        """See `Storage.iter_keys`."""
        folders = (one for half in sorted(self._root.glob("??")) for one in sorted(half.glob("??")))
        for path in (path for folder in folders for path in sorted(folder.glob("*"))):
            key = path.relative_to(self._root).as_posix()
            if _KEY.fullmatch(key) and path.is_file() and not path.is_symlink():
                yield key

    @contextmanager
    def _folder(self, key: str, *, create: bool = False) -> Iterator[int]:
        """A descriptor of the folder of ``key``, reached step by step without following links."""
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for part in _checked_key(key).split("/")[:-1]:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o700, dir_fd=descriptor)
                        os.fsync(descriptor)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                inner = os.open(part, flags, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)


class S3Storage:
    """Objects in a bucket of S3 or of anything that speaks its language."""

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, stream: IO[bytes], *, max_bytes: int, key: str | None = None) -> StoredFile:
        """See `Storage.put`."""
        key = _new_key() if key is None else _checked_key(key)
        # Counted and hashed before anything is sent, so that a refusal leaves no object behind.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            size, sha256 = _copy(stream, cast(BinaryIO, spool), max_bytes)
            spool.seek(0)
            fault("files.before_rename")
            with self._translated(key):
                self._client.upload_fileobj(spool, **self._place(key))
        fault("files.after_rename")
        return StoredFile(key, size, sha256)

    def open(self, key: str) -> BinaryIO:
        """See `Storage.open`."""
        spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
        try:
            with self._translated(key):
                self._client.download_fileobj(**self._place(key), Fileobj=spool)
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool

    def delete(self, key: str) -> None:
        """See `Storage.delete`."""
        with self._translated(key):
            self._client.delete_object(**self._place(key))

    def exists(self, key: str) -> bool:
        """See `Storage.exists`."""
        try:
            with self._translated(key):
                self._client.head_object(**self._place(key))
        except FileMissing:
            return False
        return True

    def iter_keys(self) -> Iterator[str]:
        """See `Storage.iter_keys`."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                if _KEY.fullmatch(key):
                    yield key

    def _place(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + _checked_key(key)}

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            yield
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                raise FileMissing(f"no file {key}") from error
            raise StorageError(str(error)) from error
        except (BotoCoreError, Boto3Error) as error:
            raise StorageError(str(error)) from error


def open_storage(url: str) -> Storage:
    """The store at ``file:///folder`` or ``s3://bucket/prefix?endpoint=…&region=…&addressing=…``.

    ``addressing`` is ``path``, ``virtual`` or ``auto``. Credentials of S3 come from its own
    environment variables. Raises `StorageError` for any other address.
    """
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return LocalStorage(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.hostname:
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        return S3Storage(_s3_client(options), parts.netloc, unquote(parts.path))
    raise StorageError("a store is file:///folder or s3://bucket/prefix")


def _s3_client(options: dict[str, str]) -> Any:
    try:
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
    except ImportError as error:
        raise StorageError("s3:// needs the extra: pip install dougong[s3]") from error
    config = Config(
        s3={"addressing_style": options.get("addressing", "auto")},
        # Stores other than Amazon's often refuse the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=10,
        read_timeout=60,
    )
    return boto3.client(
        "s3",
        endpoint_url=options.get("endpoint"),
        region_name=options.get("region"),
        config=config,
    )


def _new_key() -> str:
    name = secrets.token_hex(16)
    return f"{name[:2]}/{name[2:4]}/{name[4:]}"


def is_key(text: str) -> bool:
    """Whether this is a name that a store would give."""
    return bool(_KEY.fullmatch(text))


def _checked_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise FileMissing("not a key of this store")
    return key


def _copy(stream: IO[bytes], target: BinaryIO, max_bytes: int) -> tuple[int, str]:
    digest = hashlib.sha256()
    size = 0
    while chunk := stream.read(_CHUNK):
        size += len(chunk)
        if size > max_bytes:
            raise FileTooLarge(f"the file is longer than {max_bytes} bytes")
        digest.update(chunk)
        target.write(chunk)
    return size, digest.hexdigest()


def sniff_media_type(head: bytes, filename: str) -> str:
    """The media type, from the first bytes of a file (4 KB will do).

    The name only tells apart what begins alike, such as the office formats, and can make a file
    more dangerous than it looks, never less.
    """
    extension = filename.rpartition(".")[2].lower()
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head.startswith(b"PK\x03\x04"):
        return _ZIPPED.get(extension, "application/zip")
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _OLE.get(extension, "application/x-ole-storage")
    if extension in _ACTIVE_EXTENSIONS:
        return _ACTIVE_EXTENSIONS[extension]
    text = _as_text(head)
    return _UNKNOWN if text is None else _text_type(text, extension)


def is_inline_safe(media_type: str) -> bool:
    """Whether a browser may show the file in place; all else is sent as a download.

    A PDF may carry scripts, forms and links that look like the suite's own, so it is none.
    """
    return media_type in PICTURES


def safe_filename(name: str) -> str:
    """The last part of ``name`` without what file systems, headers or readers stumble over."""
    composed = unicodedata.normalize("NFC", name.replace("\\", "/")).rpartition("/")[2]
    seen = "".join(c for c in composed if unicodedata.category(c) not in _INVISIBLE)
    plain = _RESERVED.sub("_", seen).strip(". ")
    if _DEVICES.match(plain):
        plain = f"_{plain}"
    stem, dot, suffix = plain.rpartition(".")
    if not stem or len(suffix.encode()) > _LONGEST_SUFFIX:
        stem, dot, suffix = plain, "", ""
    room = _LONGEST_NAME - len(suffix.encode())
    short = stem.encode()[:room].decode(errors="ignore").rstrip(". ")
    return f"{short}{dot}{suffix}" or "file"


def content_disposition(name: str, inline: bool) -> str:
    """The Content-Disposition header (RFC 6266): a plain name for old readers, then the true one.

    ``inline`` is for types that `is_inline_safe`.
    """
    safe = safe_filename(name)
    plain = safe.encode("ascii", "replace").decode().replace("?", "_")
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"


def _as_text(head: bytes) -> str | None:
    """``head`` as text in the encodings people here save in, or None for binary data."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        # The head may end within a character.
        for end in range(len(head), max(len(head) - 4, -1), -1):
            with suppress(UnicodeDecodeError):
                text = head[:end].decode(encoding)
                return None if any(c < " " and c not in "\t\n\r\f" for c in text) else text
    return None


def _text_type(text: str, extension: str) -> str:
    for mark, media_type in _ACTIVE_MARKS:
        if mark.search(text):
            return media_type
    return "text/csv" if extension == "csv" else "text/plain"
