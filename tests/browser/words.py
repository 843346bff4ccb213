"""Whether a page speaks the language of its reader."""

from __future__ import annotations

import re
from typing import Any

#: What a reader sees, without what is code, a name that somebody gave, or an address.
_WORDS = """() => {
    const page = document.body.cloneNode(true);
    page.querySelectorAll("code, pre, script, noscript, template, [lang], kbd").forEach((e) => e.remove());
    const named = [...page.querySelectorAll("[aria-label], [title], [placeholder]")].flatMap(
        (e) => [e.getAttribute("aria-label"), e.title, e.getAttribute("placeholder")]);
    const walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) found.push(walker.currentNode.data);
    return [...found, ...named.filter(Boolean)];
}"""
#: Words that Chinese texts of this trade write so.
_TAKEN = {
    *("api", "json", "csv", "xlsx", "xls", "excel", "xlsx,", "html", "http", "https", "url", "id"),
    *("cny", "pdf", "chrome", "linux", "openapi", "english", "windows", "utc", "get", "post"),
    *(
        "esc",
        "patch",
        "delete",
        "put",
        "bearer",
        "authorization",
        "token",
        "dougong",
        "migrate",
        "round",
    ),
    *(
        "lead",
        "customer",
        "price",
        "quantity",
        "gb",
        "yyyy",
        "mm",
        "dd",
        "seq",
        "chromium",
        "mb",
        "kb",
        "toml",
    ),
}
#: Commands, folders and formulas that Chinese sentences quote.
_QUOTED = re.compile(
    r"dougong (serve|worker|restore)|mail 文件夹|backups 中|amount >= hours \* 100"
)


def english_on(tab: Any) -> set[str]:
    """English words that stand on the Chinese page that a tab shows."""
    found: set[str] = set()
    for text in tab.evaluate(_WORDS):
        plain = re.sub(
            r"\S+@\S+|https?://\S+|[\w.]+\.(?:json|csv|xlsx?)|\S*[_/{}]\S*|\w+\.[\w*]+",
            " ",
            _QUOTED.sub(" ", text),
        )
        words = re.findall(r"[A-Za-z][a-z'’]{2,}", plain)
        found |= {word for word in words if word.lower() not in _TAKEN}
    return found
