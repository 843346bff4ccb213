"""Logs are lines of JSON, carry their context and keep secrets to themselves (S3, I14)."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from core.logging import configure_logging, log_context

CANARY = "hunter2canary"
log = logging.getLogger("tests.logging")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    made = io.StringIO()
    configure_logging("INFO", made)
    yield made
    root.handlers, root.level = handlers, level


def _lines(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_its_parts_and_its_context(stream):
    with log_context(request_id="r1"), log_context(user=7):
        log.info("saved %s", "客户", extra={"entity": "customer"})
    log.warning("after")
    first, second = _lines(stream)
    assert (first["message"], first["level"], first["logger"]) == (
        "saved 客户",
        "INFO",
        "tests.logging",
    )
    assert (first["request_id"], first["user"], first["entity"]) == ("r1", 7, "customer")
    assert first["at"].endswith("+00:00")
    assert "request_id" not in second


def test_the_level_counts_and_a_second_configuration_replaces_the_first(stream):
    configure_logging("WARNING", stream)
    log.info("no")
    log.warning("yes")
    assert [line["message"] for line in _lines(stream)] == ["yes"]


@pytest.mark.parametrize(
    "breaker", ["\r", "\n", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"]
)
def test_no_value_starts_a_new_line(stream, breaker):
    """I14: neither in the message nor in a field or an exception."""
    try:
        raise ValueError(f"a{breaker}b")
    except ValueError:
        log.exception("a%sforged", breaker, extra={"name_of": f"x{breaker}y"})
    assert len(stream.getvalue().splitlines()) == 1
    assert len(_lines(stream)[0]["message"].splitlines()) == 1


SECRET_NAMES_TEXT = """
password PASSWORD new_password passwd secret client_secret token access_token apiToken authorization
Authorization cookie Set-Cookie api_key apikey apiKey key secret_key private-key credentials
"""


@pytest.mark.parametrize("name", SECRET_NAMES_TEXT.split())
def test_fields_that_name_a_secret_are_hidden(stream, name):
    """S3: as a field, in the context, deep within a field, and as an argument of the message."""
    with log_context(**{name: CANARY}):
        log.info("a", extra={name: CANARY})
    log.info("b", extra={"request": {"headers": [{name: CANARY}], "ok": "kept"}})
    log.info(f"c %({name})s", {name: CANARY})  # noqa: G004
    assert CANARY not in stream.getvalue()
    assert _lines(stream)[1]["request"]["ok"] == "kept"


@pytest.mark.parametrize(
    "text",
    [
        f"password={CANARY}",
        f"password: {CANARY}",
        f'{{"password": "{CANARY}"}}',
        f"{{'api_key': '{CANARY}'}}",
        f"GET /reset?token={CANARY}&a=1",
        f"Authorization: Bearer {CANARY}",
        f"sent Bearer {CANARY}",
        f"postgresql://u:{CANARY}@db/x",
        f"postgresql://u:a@{CANARY}@db/x",
        f"Cookie: {CANARY}",
    ],
)
def test_secrets_within_sentences_are_hidden(stream, text):
    log.info("%s", text)
    log.info("x", extra={"detail": text})
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed")
    assert CANARY not in stream.getvalue()


def test_odd_values_do_not_lose_the_line(stream):
    log.info("a", extra={"big": 1 << 70, "half": "\ud800", "thing": object(), "nan": float("nan")})
    assert _lines(stream)[0]["big"] == str(1 << 70)
