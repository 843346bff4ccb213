#!/usr/bin/env python3
"""Keep the message catalogues in step with the sources.

    tools/messages.py            extract and update every catalogue
    tools/messages.py --check    fail when a message is missing, untranslated, no longer used, or
                                 not the same in two catalogues

The core has one catalogue a language, each plugin one of its own. English is what the sources
say, so only the other languages have catalogues.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ("zh_CN",)
KEYWORDS = {"_": None, "_l": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(([a-z_]+)\)[sd]")


def sources(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if {"tests", "vendor", "scaffold_files", "migrations"} & set(parts):
            continue
        if path.suffix == ".py":
            yield "python", path
        elif path.suffix == ".html":
            yield "jinja2", path


def extracted(folders: list[Path]) -> Catalog:
    catalogue = Catalog()
    for folder in folders:
        for method, path in sources(folder):
            with path.open("rb") as file:
                for _line, message, _comments, _context in extract(method, file, KEYWORDS):
                    if message and message != ("", ""):
                        catalogue.add(message, locations=[(str(path.relative_to(ROOT)), 0)])
    return catalogue


def owners() -> Iterator[tuple[str, Path, Catalog]]:
    """(name, folder of translations, messages) of the core and each plugin."""
    themes = [path for path in (ROOT / "themes").iterdir() if path.is_dir()]
    yield "core", ROOT / "core" / "translations", extracted([ROOT / "core", *themes])
    for manifest in sorted((ROOT / "plugins").glob("*/plugin.cfg")):
        folder = manifest.parent
        yield folder.name, folder / "translations", extracted([folder])


def read(path: Path, locale: str) -> Catalog:
    if not path.exists():
        return Catalog(locale=locale)
    with path.open("rb") as file:
        return read_po(file, locale=locale)


def problems(name: str, wanted: Catalog, found: Catalog) -> Iterator[str]:
    for message in wanted:
        if not message.id:
            continue
        translated = found.get(message.id)
        texts = () if translated is None else translated.string
        texts = texts if isinstance(texts, (tuple, list)) else (texts,)
        if not texts or not all(texts):
            yield f"{name}: not translated: {message.id!r}"
        elif translated is not None and translated.fuzzy:
            yield f"{name}: fuzzy: {message.id!r}"
        else:
            ids = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
            needed = set(PLACEHOLDER.findall(ids[-1]))
            for text in texts:
                if set(PLACEHOLDER.findall(text)) != needed:
                    yield f"{name}: other placeholders: {message.id!r}"
    for message in found:
        if message.id and wanted.get(message.id) is None:
            yield f"{name}: no longer used: {message.id!r}"


class Texts:
    """What each message is in each language: one text, for all parts share one catalogue.

    A word with two meanings needs two messages, e.g. "Ended" of a state and "Ended at" of a time.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, object], tuple[str, object]] = {}

    def differing(self, name: str, locale: str, found: Catalog) -> Iterator[str]:
        for message in found:
            if message.id and message.string:
                key = (locale, message.id)
                owner, text = self._seen.setdefault(key, (name, message.string))
                if text != message.string:
                    yield f"{name} {locale}: {owner} says it otherwise: {message.id!r}"


def update(wanted: Catalog, found: Catalog, path: Path, locale: str) -> None:
    result = Catalog(locale=locale, project="Dougong", charset="utf-8")
    for message in wanted:
        if message.id:
            known = found.get(message.id)
            result.add(message.id, known.string if known else None, locations=message.locations)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, result, sort_output=True, include_lineno=False, omit_header=False, width=100)
    _head, _empty, body = path.read_text(encoding="utf-8").partition("\n\n")
    header = (
        'msgid ""\nmsgstr ""\n"Project-Id-Version: Dougong\\n"\n'
        f'"Language: {locale}\\n"\n"Plural-Forms: {result.plural_forms}\\n"\n'
        '"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        '"Content-Transfer-Encoding: 8bit\\n"\n\n'
    )
    path.write_text(header + body, encoding="utf-8")


def all_problems(*, updating: bool = False) -> Iterator[str]:
    """What is wrong with the catalogues, after bringing them up to date when asked to."""
    texts = Texts()
    for name, folder, wanted in owners():
        for locale in LOCALES:
            path = folder / locale / "LC_MESSAGES" / f"{name}.po"
            if updating:
                update(wanted, read(path, locale), path, locale)
            found = read(path, locale)
            yield from problems(f"{name} {locale}", wanted, found)
            yield from texts.differing(name, locale, found)


def main() -> int:
    checking = sys.argv[1:] == ["--check"]
    found_problems = list(all_problems(updating=not checking))
    if checking:
        print("\n".join(found_problems))
    else:
        print(f"{len(found_problems)} messages to translate")
    return 1 if checking and found_problems else 0


if __name__ == "__main__":
    sys.exit(main())
