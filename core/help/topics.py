"""Topics of help: ``help/topics.cfg`` of the core or a plugin, and a text in each language beside it."""

from __future__ import annotations

import configparser
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.i18n import LOCALES
from core.richtext import clean_html

__all__ = ["HelpBook", "HelpText", "Topic", "read_topics"]

#: What stands for all pages that no topic names.
EVERYWHERE = "*"
_NAME = re.compile(r"[a-z][a-z0-9-]{1,39}")
_TITLE = re.compile(r"\s*<h1>([^<]+)</h1>")
_KNOWN = {"pages", "for"}


@dataclass(frozen=True)
class HelpText:
    """A topic in one language; ``html`` is clean."""

    title: str
    html: str


@dataclass(frozen=True)
class Topic:
    """One subject of help, found by ``name``; a plugin's begins with that of the plugin and a dot."""

    name: str
    owner: str
    folder: Path
    #: Patterns of pages, as `HelpBook.topic_of` reads them.
    pages: tuple[str, ...] = ()
    is_for_admins: bool = False

    def text(self, locale: str) -> HelpText:
        """What it says, in one of the languages of the suite."""
        return _read(self._path(locale))

    def missing(self) -> list[str]:
        """The names of its files that are not there."""
        paths = (self._path(locale) for locale in LOCALES)
        return [path.name for path in paths if not path.is_file()]

    def _path(self, locale: str) -> Path:
        return self.folder / f"{self.name.rpartition('.')[2]}.{locale}.html"


def read_topics(owner: str, folder: Path) -> list[Topic]:
    """The topics of a folder, in the order of its ``topics.cfg``. Raises `ValueError` for what is wrong."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string((folder / "topics.cfg").read_text("utf-8"), source="topics.cfg")
    found = []
    for name in parser.sections():
        section = parser[name]
        if not _NAME.fullmatch(name) or set(section) - _KNOWN:
            raise ValueError(f"help topic {name}: a name such as my-day, with pages and for")
        topic = Topic(
            name if owner == "core" else f"{owner}.{name}",
            owner,
            folder,
            tuple(section.get("pages", "").split()),
            section.get("for", "all") == "administrators",
        )
        if topic.missing():
            raise ValueError(f"help topic {name}: there is no {' and no '.join(topic.missing())}")
        found.append(topic)
    return found


@lru_cache(maxsize=256)
def _read(path: Path) -> HelpText:
    source = path.read_text("utf-8")
    title = _TITLE.match(source)
    if title is None:
        raise ValueError(f"{path.name} does not begin with its title as <h1>")
    return HelpText(title[1].strip(), clean_html(source[title.end() :]))


class HelpBook:
    """All topics of what is installed; readers are shown those of modules that are on."""

    def __init__(self, topics: Iterable[Topic] = ()) -> None:
        self._topics = {topic.name: topic for topic in topics}
        self._by_page = {
            (topic.owner, page): topic for topic in self._topics.values() for page in topic.pages
        }

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def get(self, name: str, enabled: Collection[str], *, is_admin: bool) -> Topic | None:
        """The topic, if there is one of that name for this reader."""
        topic = self._topics.get(name)
        return topic if topic and _is_shown(topic, enabled, is_admin=is_admin) else None

    def shown(self, enabled: Collection[str], *, is_admin: bool) -> list[Topic]:
        """The topics for this reader, in the order of modules."""
        return [topic for topic in self if _is_shown(topic, enabled, is_admin=is_admin)]

    def topic_of(
        self, endpoint: str, enabled: Collection[str], *, entity: str, layout: str, is_admin: bool
    ) -> Topic | None:
        """The topic of a page: the nearest that names it, and of several modules that of the last.

        Pages are named ``web.show_record:lead`` (of one entity), ``web.list_records?board`` (in one
        layout), ``web.list_records``, ``admin.*`` (all of a blueprint) or ``*``.
        """
        blueprint = endpoint.partition(".")[0]
        patterns = (f"{endpoint}:{entity}", f"{endpoint}?{layout}", endpoint, f"{blueprint}.*")
        owners = list(dict.fromkeys(topic.owner for topic in self))
        for pattern in (*patterns, EVERYWHERE):
            for owner in reversed(owners):
                topic = self._by_page.get((owner, pattern))
                if topic and _is_shown(topic, enabled, is_admin=is_admin):
                    return topic
        return None


def _is_shown(topic: Topic, enabled: Collection[str], *, is_admin: bool) -> bool:
    if topic.is_for_admins and not is_admin:
        return False
    return topic.owner == "core" or topic.owner in enabled
