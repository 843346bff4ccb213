"""Languages: messages, and how a reader's locale writes numbers, dates and money."""

from core.i18n.messages import (
    DEFAULT_LOCALE,
    LOCALES,
    LazyText,
    current_locale,
    gettext,
    lazy_gettext,
    load_catalogues,
    ngettext,
    use_locale,
)

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
