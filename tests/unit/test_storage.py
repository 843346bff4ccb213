"""Files stay whole and inside the store, and only harmless ones open in place (I10, I12)."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import re
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from core.faults import InjectedFault, planned_fault
from core.files import (
    FileMissing,
    FileTooLarge,
    LocalStorage,
    S3Storage,
    StorageError,
    content_disposition,
    is_inline_safe,
    open_storage,
    safe_filename,
    sniff_media_type,
)

KEY = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28}")


class _Bucket(BaseHTTPRequestHandler):
    """The few calls of S3 that a file store makes, over a dictionary."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", *, head_only: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.end_headers()
        if not head_only:
            self.wfile.write(body)

    def _object(self) -> str:
        return unquote(urlsplit(self.path).path)

    def do_PUT(self) -> None:
        self.server.objects[self._object()] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            bucket = self._object().rstrip("/") + "/"
            prefix = query.get("prefix", [""])[0]
            mine = sorted(o for o in self.server.objects if o.startswith(bucket))
            keys = [o.removeprefix(bucket) for o in mine]
            found = "".join(
                f"<Contents><Key>{k}</Key></Contents>" for k in keys if k.startswith(prefix)
            )
            body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
            self._answer(200, body.encode())
        elif self._object() in self.server.objects:
            self._answer(200, self.server.objects[self._object()])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        content = self.server.objects.get(self._object())
        self._answer(404 if content is None else 200, content or b"", head_only=True)

    def do_DELETE(self) -> None:
        self.server.objects.pop(self._object(), None)
        self._answer(204)


@pytest.fixture
def bucket():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Bucket)
    server.daemon_threads = True
    server.objects = {}
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return open_storage(f"file://{tmp_path}/my%20files")
    pytest.importorskip("boto3")
    server = request.getfixturevalue("bucket")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    address = f"http://127.0.0.1:{server.server_address[1]}"
    return open_storage(f"s3://bucket/a/b?endpoint={address}&region=us-east-1&addressing=path")


def _read(store, key: str) -> bytes:
    with store.open(key) as file:
        return file.read()


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_file_comes_back_as_it_went(store, size):
    content = os.urandom(size)
    stored = store.put(io.BytesIO(content), max_bytes=size)
    assert KEY.fullmatch(stored.key)
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(content).hexdigest())
    assert store.exists(stored.key)
    assert _read(store, stored.key) == content
    with store.open(stored.key) as file:
        file.seek(max(size - 1, 0))
        assert file.read() == content[-1:]


def test_files_are_listed_and_deleted(store):
    keys = {store.put(io.BytesIO(b"same"), max_bytes=10).key for _ in range(5)}
    assert list(store.iter_keys()) == sorted(keys)
    gone = keys.pop()
    store.delete(gone)
    store.delete(gone)
    assert set(store.iter_keys()) == keys
    assert not store.exists(gone)
    with pytest.raises(FileMissing):
        store.open(gone)


def test_nothing_is_kept_of_a_file_that_is_too_large(store):
    with pytest.raises(FileTooLarge):
        store.put(io.BytesIO(b"x" * 1001), max_bytes=1000)
    assert list(store.iter_keys()) == []


TRAVERSALS = [
    "", ".", "..", "/", "a", "../../etc/passwd", "/etc/passwd", "ab/cd", "ab/cd/", "ab/cd/..",
    "ab/../" + "a" * 28, "../ab/" + "a" * 28, "ab/cd/" + "a" * 27, "ab/cd/" + "a" * 29,
    "AB/CD/" + "A" * 28, "ab/cd/" + "a" * 28 + "\n", "ab/cd/" + "a" * 28 + "\0", "ab\\cd\\" + "a" * 28,
    "ab/cd/" + "a" * 26 + "%2e", "%2e%2e/%2e%2e/etc", "..%2f..%2fetc", "....//....//etc", "..\\..\\etc",
    "ａb/cd/" + "a" * 28, "٠٠/٠٠/" + "٠" * 28, "ab//cd/" + "a" * 27, " ab/cd/" + "a" * 28,
    "file:///etc/passwd", "con", "incoming/x", "ab/cd/" + "a" * 14 + "/" + "a" * 13, "~/x", "C:\\x",
]  # fmt: skip


def test_no_spelling_of_a_way_up_reaches_anything(store):
    """I10: more than 200 spellings, as the key of a file and as the name of an upload."""
    ups = ("..", "%2e%2e", "..;", "．．", "‥", "..%c0%ae", "%252e%252e", "\0..")
    slashes = ("/", "\\", "%2f", "%5c", "／")
    spellings = {
        (up + slash) * depth + target
        for up, slash, depth, target in itertools.product(
            ups, slashes, (1, 3, 8), ("etc/passwd", "secret.key")
        )
    }
    assert len(spellings) > 200
    for spelling in spellings:
        with pytest.raises(FileMissing):
            store.open(spelling)
        name = safe_filename(spelling)
        assert not set(name) & set("/\\\0%"), spelling
        assert name not in ("", ".", "..")


@pytest.mark.parametrize("key", TRAVERSALS)
def test_what_is_not_a_key_reaches_nothing(store, key):
    """I10."""
    with pytest.raises(FileMissing):
        store.open(key)
    with pytest.raises(FileMissing):
        store.delete(key)
    assert not store.exists(key)


def test_links_lead_nowhere(tmp_path):
    """I10: neither a linked file nor a linked folder is followed, for reading or writing."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    outside = tmp_path / "outside"
    (outside / "cd").mkdir(parents=True)
    (outside / "cd" / ("a" * 28)).write_text("secret")
    root = tmp_path / "files"
    store = LocalStorage(root)
    (root / "aa/bb").mkdir(parents=True)
    (root / "aa/bb" / ("c" * 28)).symlink_to(secret)
    (root / "ab").symlink_to(outside)
    for key in ("aa/bb/" + "c" * 28, "ab/cd/" + "a" * 28):
        assert not store.exists(key)
        with pytest.raises(FileMissing):
            store.open(key)
    assert "aa/bb/" + "c" * 28 not in set(store.iter_keys())
    store.delete("aa/bb/" + "c" * 28)
    assert secret.read_text() == "secret"


def test_a_crash_leaves_no_half_file_under_a_key(tmp_path):
    store = LocalStorage(tmp_path)
    with planned_fault("files.before_rename:raise"), pytest.raises(InjectedFault):
        store.put(io.BytesIO(b"x"), max_bytes=1)
    assert list(store.iter_keys()) == []
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_files_are_private(tmp_path):
    store = LocalStorage(tmp_path)
    key = store.put(io.BytesIO(b"x"), max_bytes=1).key
    assert (tmp_path / key).stat().st_mode & 0o077 == 0


def test_a_bucket_that_fails_is_a_storage_error(bucket, monkeypatch):
    boto3 = pytest.importorskip("boto3")
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{bucket.server_address[1]}", region_name="x",
        aws_access_key_id="x", aws_secret_access_key="x",
    )  # fmt: skip
    monkeypatch.setattr(_Bucket, "do_PUT", lambda handler: handler._answer(403))
    with pytest.raises(StorageError):
        S3Storage(client, "bucket").put(io.BytesIO(b"x"), max_bytes=1)


@pytest.mark.parametrize("url", ["", "/srv", "file://host/x", "ftp://h/x", "s3://", "file://"])
def test_other_addresses_are_no_store(url):
    with pytest.raises(StorageError):
        open_storage(url)


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (b"%PDF-1.7\n", "a.pdf", "application/pdf"),
        (b"%PDF-1.7\n", "a.html", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n\0", "a.txt", "image/png"),
        (b"\xff\xd8\xff\xe0", "a", "image/jpeg"),
        (b"GIF89a..", "a.gif", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a.webp", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "a.webp", "application/octet-stream"),
        (b"PK\x03\x04", "a.zip", "application/zip"),
        (
            b"PK\x03\x04",
            "a.XLSX",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", "application/vnd.ms-excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.bin", "application/x-ole-storage"),
        ("张三\n".encode(), "a.txt", "text/plain"),
        ("张三\n".encode("gb18030"), "a.txt", "text/plain"),
        ("张三\n".encode("utf-16"), "a.txt", "text/plain"),
        ("张三".encode()[:-1], "a.txt", "text/plain"),
        (b"a,b\n1,2", "a.csv", "text/csv"),
        (b"", "a.txt", "text/plain"),
        (b"\0\1\2", "a.txt", "application/octet-stream"),
        (SVG, "a.svg", "image/svg+xml"),
        (SVG, "a.png", "image/svg+xml"),
        (b"<?xml version='1.0'?><a/>", "a.txt", "application/xml"),
        (b"  \n<!DOCTYPE html>", "a.txt", "text/html"),
        (b"hello <script>x</script>", "a.txt", "text/html"),
        (b"hello", "a.html", "text/html"),
        (b"hello", "a.SVG", "image/svg+xml"),
        (b"alert(1)", "a.js", "text/javascript"),
        ("<script>".encode("utf-16"), "a.txt", "text/html"),
        (b"\xef\xbb\xbf<html>", "a.txt", "text/html"),
    ],
)
def test_the_content_tells_the_type(head, name, media_type):
    assert sniff_media_type(head, name) == media_type


def test_only_harmless_types_open_in_place():
    """I12: pictures; nothing that may carry script."""
    safe = ["image/png", "image/jpeg", "image/gif", "image/webp"]
    active = ["application/pdf", "text/plain"]
    active += ["image/svg+xml", "text/html", "application/xml", "text/xml", "application/xhtml+xml"]
    active += ["text/javascript", "text/css", "application/octet-stream", "application/zip", ""]
    assert all(map(is_inline_safe, safe))
    assert not any(map(is_inline_safe, active))
    assert not any(is_inline_safe(t.upper() + "; charset=utf-8") for t in active)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("合同.pdf", "合同.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie_ x=1.txt"),
        ('a";x=".txt', "a__x=_.txt"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("a\0.txt", "a.txt"),
        ("CON", "_CON"),
        ("aux.txt", "_aux.txt"),
        (".htaccess", "htaccess"),
        ("...", "file"),
        ("", "file"),
        ("a/", "file"),
        ("a. ", "a"),
        ("e\u0301.txt", "é.txt"),
    ],
)
def test_names_are_made_safe(name, safe):
    assert safe_filename(name) == safe


def test_a_long_name_keeps_its_ending():
    name = safe_filename("合" * 300 + ".pdf")
    assert name.endswith(".pdf")
    assert len(name.encode()) <= 200
    assert len(safe_filename("a." + "b" * 300).encode()) <= 200


@pytest.mark.parametrize(
    "name",
    ["合同 1.pdf", 'a"b\\c;d.txt', "a\r\nX: y", "a%22b", "=?utf-8?q?x?=", "\ud800.txt", "é'*.txt"],
)
@pytest.mark.parametrize("inline", [True, False])
def test_the_header_carries_the_name_and_nothing_else(name, inline):
    """I14: an independent parser finds the kind and the name, in ASCII on one line."""
    header = content_disposition(name, inline)
    assert header.isascii()
    assert header.isprintable()
    parsed = Message()
    parsed["Content-Disposition"] = (
        header.partition("; filename=")[0] + header[header.rindex(";") :]
    )
    assert parsed.get_content_disposition() == ("inline" if inline else "attachment")
    assert parsed.get_filename() == safe_filename(name)
    assert header.count('"') == 2
