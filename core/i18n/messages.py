"""Messages in the reader's language, from the catalogues of the core and of every plugin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from babel.support import Translations

__all__ = [
    "DEFAULT_LOCALE",
    "LOCALES",
    "LazyText",
    "current_locale",
    "gettext",
    "lazy_gettext",
    "load_catalogues",
    "ngettext",
    "use_locale",
]

LOCALES = ("zh_CN", "en")
DEFAULT_LOCALE = "zh_CN"

_locale: ContextVar[str] = ContextVar("dougong_locale", default=DEFAULT_LOCALE)
#: Filled once at boot, before the first request; read-only afterwards.
_catalogues: dict[str, Translations] = {}


def current_locale() -> str:
    """The locale of this request, job or command."""
    return _locale.get()


@contextmanager
def use_locale(locale: str) -> Iterator[None]:
    """Speak ``locale`` within the block; an unknown one falls back to the default."""
    token = _locale.set(locale if locale in LOCALES else DEFAULT_LOCALE)
    try:
        yield
    finally:
        _locale.reset(token)


def load_catalogues(folders: Iterable[Path]) -> None:
    """Merge ``<folder>/<locale>/LC_MESSAGES/*.po`` of the core and the plugins.

    Of two texts for one message that of the earlier folder stands: a plugin does not reword the
    core.
    """
    from core.i18n.catalogues import read_catalogue

    merged: dict[str, Translations] = {}
    for folder in reversed(list(folders)):
        for locale in LOCALES:
            for path in sorted((folder / locale / "LC_MESSAGES").glob("*.po")):
                catalogue = read_catalogue(path)
                # The first one stays as the base: it brings the language's plural rule.
                if locale in merged:
                    merged[locale].merge(catalogue)
                else:
                    merged[locale] = catalogue
    _catalogues.clear()
    _catalogues.update(merged)


def gettext(message: str, **values: object) -> str:
    """``message`` in the current language, with ``%(name)s`` filled from ``values``."""
    catalogue = _catalogues.get(_locale.get())
    text = catalogue.gettext(message) if catalogue else message
    return text % values if values else text


def ngettext(singular: str, plural: str, n: int, **values: object) -> str:
    """The form of the message that fits the number ``n``, which also fills ``%(n)s``, as the reader's
    language writes numbers."""
    from core.i18n.formats import format_number  # which asks this module for the language

    catalogue = _catalogues.get(_locale.get())
    if catalogue is None:
        text = singular if n == 1 else plural
    else:
        text = catalogue.ngettext(singular, plural, n)
    return text % {"n": format_number(n), **values}


class LazyText:
    """A message that is translated when it is read, for declarations made at import."""

    __slots__ = ("message", "values")

    def __init__(self, message: str, **values: object) -> None:
        self.message = message
        self.values = values

    def __str__(self) -> str:
        return gettext(self.message, **self.values)

    def __html__(self) -> str:
        from markupsafe import escape

        return str(escape(str(self)))

    def __repr__(self) -> str:
        return f"LazyText({self.message!r})"

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, LazyText):
            return (self.message, self.values) == (other.message, other.values)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.message)


def lazy_gettext(message: str, **values: object) -> LazyText:
    """Like `gettext`, but translated each time it is shown."""
    return LazyText(message, **values)
