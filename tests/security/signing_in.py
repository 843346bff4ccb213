"""What the tests of signing in share: codes of an app, letters in a folder, forms of a browser."""

from __future__ import annotations

import email
import re
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pyotp

from core.settings.service import put_settings

PASSWORD = "a very calm horse stands"
OTHER = "another calm horse stands"
EMAIL = "person1@example.com"
ME = "/api/v1/me"


def put(unit_of_work: Any, group: str = "core_sign_in", **values: Any) -> None:
    """Change settings as an administrator would."""
    with unit_of_work() as uow:
        put_settings(uow, group, values)


def app_code(key: str, clock: Any) -> str:
    """What an authenticator app shows at this moment."""
    return pyotp.TOTP(key).at(clock.now())


def key_on(page: str) -> str:
    """The key that a page shows for typing."""
    found = re.search(r'<code class="secret">([A-Z2-7 ]+)</code>', page)
    assert found is not None, page[:2000]
    return found[1].replace(" ", "")


def codes_on(page: str) -> list[str]:
    """The recovery codes on a page."""
    return re.findall(r"<code>((?:[a-z2-7]{4}-){3}[a-z2-7]{4})</code>", page)


def csrf_of(browser: Any) -> dict[str, str]:
    """Headers of a form sent by a browser that is signed in."""
    page = browser.get("/profile").get_data(as_text=True)
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    return {"X-CSRF-Token": found[1]} if found else {}


def set_up(browser: Any, clock: Any, password: str = PASSWORD) -> tuple[str, list[str]]:
    """Turn a person's second factor on: the key and the recovery codes."""
    assert browser.post("/profile/second-factor/begin", headers=csrf_of(browser)).status_code == 303
    key = key_on(browser.get("/profile/second-factor").get_data(as_text=True))
    data = {"password": password, "code": app_code(key, clock)}
    answer = browser.post("/profile/second-factor", data=data, headers=csrf_of(browser))
    assert answer.status_code == 200, answer.get_data(as_text=True)[:1500]
    return key, codes_on(answer.get_data(as_text=True))


def begin_sign_in(
    app: Any, password: str = PASSWORD, address: str = "198.51.100.7", who: str = EMAIL
) -> Any:
    """A browser that has sent a password; ``browser.answer`` is what it was told."""
    browser = app.test_client()
    browser.answer = browser.post(
        "/sign-in",
        data={"email": who, "password": password},
        environ_base={"REMOTE_ADDR": address},
    )
    return browser


def send_step(browser: Any, address: str = "198.51.100.7", **data: str) -> Any:
    """Send the form of the next step."""
    return browser.post("/sign-in/step", data=data, environ_base={"REMOTE_ADDR": address})


def letters_in(folder: Path) -> list[EmailMessage]:
    """The mails in a folder, oldest first."""
    files = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
    return [email.message_from_bytes(path.read_bytes(), policy=default) for path in files]


def link_in(letter: EmailMessage) -> str:
    """The address in a letter that sets a password."""
    text = letter.get_body(("plain",)).get_content()
    found = re.search(r"https?://\S+/password/\S+", text)
    assert found is not None, text
    return found[0]


Letters = Callable[[], list[EmailMessage]]
