"""A walk through every page that can be reached."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

PAGES = 92
#: Answers that are files, and what has no page.
_UNOPENED = re.compile(
    r"^/(static|files|api/openapi|api/v1|r/\w+/import/template|r/\w+/\d+/documents/)"
)
_LINKS = """() => [
    ...[...document.querySelectorAll("a[href]")].map((each) => ["page", each.href]),
    ...[...document.querySelectorAll("[hx-get]")].map(
        (each) => ["fragment", new URL(each.getAttribute("hx-get"), location).href]),
]"""
#: What a reader could see of the page: its text and what stands in its inputs.
TEXT = """() => document.documentElement.textContent + [...document.querySelectorAll("input")]
    .map((each) => each.value).join()"""


@dataclass
class Crawl:
    """What a walk from the first page met."""

    opened: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    text: str = ""


def shapes(address: str) -> set[tuple[str, str]]:
    """What there is to see behind an address: its path, and each parameter that it gives.

    Numbers are those of one record among many, and values those of one filter among many.
    """
    parts = urlsplit(address)
    path = re.sub(r"[0-9]+", "N", parts.path)
    names = {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
    return {(path, name) for name in {"", *names}}


def crawl(
    tab: Any,
    served: str,
    starts: Sequence[str] = ("/",),
    *,
    pages: int = PAGES,
    alike: int = 1,
    look: Callable[[str], None] = lambda path: None,
) -> Crawl:
    """Follow every link and fragment from ``starts``; of each of the `shapes` the first ``alike``.

    ``look(path)`` is called on each page.
    """
    found, seen = Crawl(), set()
    met: Counter[tuple[str, str]] = Counter()
    tab.on("request", lambda sent: _note_foreign(sent.url, served, found.foreign))
    waiting = [("page", urljoin(served, each)) for each in starts]
    while waiting and len(found.opened) < pages:
        kind, address = waiting.pop(0)
        address = address.partition("#")[0]
        wanted = shapes(address)
        known = min(met[each] for each in wanted) >= alike
        if address in seen or known or not address.startswith(served):
            continue
        if _UNOPENED.match(urlsplit(address).path):
            continue
        seen.add(address)
        met.update(wanted)
        if kind == "fragment":
            answer = tab.request.get(address, headers={"HX-Request": "true"})
            found.fragments.append(address)
        else:
            answer = tab.goto(address)
            found.opened.append(address)
            found.text += tab.evaluate(TEXT)
            links = tab.evaluate(_LINKS)
            waiting += [("page", link) for kind, link in links if kind == "page"]
            # Parts of this page, before others are opened.
            waiting[:0] = [("fragment", link) for kind, link in links if kind == "fragment"]
            look(address.removeprefix(served))
        if answer.status >= 400:
            found.bad.append(f"{answer.status} {address}")
    return found


def _note_foreign(address: str, served: str, foreign: set[str]) -> None:
    if not address.startswith((served, "data:", "blob:")):
        foreign.add(address)
