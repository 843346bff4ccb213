"""``plugin.cfg``: what a plugin is and needs, read before any of its code runs."""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

__all__ = ["Manifest", "ManifestError", "read_manifest"]

NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
KNOWN_KEYS = {
    "name", "title", "title_zh_cn", "summary", "summary_zh_cn", "version", "core", "depends",
    "optional", "icon",
}  # fmt: skip


class ManifestError(Exception):
    """A manifest that cannot be used; the message says which key and why."""


@dataclass(frozen=True)
class Manifest:
    """The declared facts of one plugin."""

    name: str
    title: str
    version: str
    folder: Path
    #: The import package, e.g. ``plugins.crm_leads``.
    module: str
    core: str = ""
    depends: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    title_zh_cn: str = ""
    summary: str = ""
    summary_zh_cn: str = ""
    icon: str = "apps"

    def text(self, key: str, locale: str) -> str:
        """``title`` or ``summary`` in the reader's language."""
        translated: str = getattr(self, f"{key}_{locale.lower()}", "")
        return translated or str(getattr(self, key))

    def accepts_core(self, version: str) -> bool:
        """True when the plugin runs with this version of the core."""
        return SpecifierSet(self.core).contains(Version(version), prereleases=True)


def read_manifest(folder: Path, module: str) -> Manifest:
    """Read ``folder/plugin.cfg``; raises `ManifestError`."""
    parser = configparser.ConfigParser(interpolation=None)
    path = folder / "plugin.cfg"
    try:
        parser.read_string(path.read_text(encoding="utf-8"), source=str(path.name))
        section = parser["plugin"]
    except (OSError, UnicodeDecodeError, configparser.Error, KeyError) as error:
        raise ManifestError(f"{folder.name}/plugin.cfg: {error}") from error
    if unknown := sorted(set(section) - KNOWN_KEYS):
        raise ManifestError(f"{folder.name}/plugin.cfg: unknown key {', '.join(unknown)}")
    values = {key: value.strip() for key, value in section.items()}
    for key in ("name", "title", "version"):
        if not values.get(key):
            raise ManifestError(f"{folder.name}/plugin.cfg: {key} is missing")
    if not NAME.fullmatch(values["name"]):
        raise ManifestError(f"{folder.name}/plugin.cfg: name must match {NAME.pattern}")
    if values["name"] != folder.name:
        raise ManifestError(f"{folder.name}/plugin.cfg: name must be the folder's name")
    _check_versions(folder, values)
    return Manifest(
        folder=folder,
        module=module,
        depends=tuple(values.pop("depends", "").replace(",", " ").split()),
        optional=tuple(values.pop("optional", "").replace(",", " ").split()),
        **values,
    )


def _check_versions(folder: Path, values: dict[str, str]) -> None:
    try:
        Version(values["version"])
    except InvalidVersion as error:
        raise ManifestError(f"{folder.name}/plugin.cfg: version: {error}") from error
    try:
        SpecifierSet(values.get("core", ""))
    except InvalidSpecifier as error:
        raise ManifestError(f"{folder.name}/plugin.cfg: core: {error}") from error
