"""Where a template comes from: the active theme, its parents, then its owner."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jinja2 import BaseLoader, Environment, TemplateNotFound
from jinja2.loaders import split_template_path

from core.theming.registry import Theme

__all__ = ["ORIGINAL_PREFIX", "ThemeLoader"]

#: ``{% extends "base!crm_leads/board.html" %}`` reaches the owner's file past every theme.
ORIGINAL_PREFIX = "base!"

logger = logging.getLogger(__name__)


class ThemeLoader(BaseLoader):
    """Loads for one theme. Only themes override: the first folder of a template's name is its
    owner, and the owner's folder is the last and only other place where it is looked for."""

    def __init__(
        self,
        chain: Sequence[Theme],
        owners: Mapping[str, Path],
        *,
        explain: bool = False,
    ) -> None:
        self._chain = tuple(chain)
        self._owners = dict(owners)
        self._explain = explain

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        tried: list[Path] = []
        for path in self._candidates(template):
            tried.append(path)
            if path.is_file():
                self._log(template, tried, found=True)
                return _read(path)
        self._log(template, tried, found=False)
        raise TemplateNotFound(template)

    def list_templates(self) -> list[str]:
        """Names of all templates this theme can render, without ``base!`` names."""
        roots = [theme.templates for theme in self._chain]
        found = {name for root in roots for name in _names_below(root)}
        for owner, folder in self._owners.items():
            found.update(n for n in _names_below(folder) if n.startswith(f"{owner}/"))
        return sorted(found)

    def _candidates(self, template: str) -> list[Path]:
        original = template.startswith(ORIGINAL_PREFIX)
        parts = split_template_path(template.removeprefix(ORIGINAL_PREFIX))
        roots = [] if original else [theme.templates for theme in self._chain]
        if parts and parts[0] in self._owners:
            roots.append(self._owners[parts[0]])
        return [root.joinpath(*parts) for root in roots]

    def _log(self, template: str, tried: Sequence[Path], *, found: bool) -> None:
        if self._explain:
            theme = self._chain[0].name if self._chain else "-"
            places = ", ".join(map(str, tried)) or "nowhere: no owner of that name"
            verdict = "found" if found else "not found"
            logger.info("template %s (theme %s) %s: %s", template, theme, verdict, places)


def _read(path: Path) -> tuple[str, str, Callable[[], bool]]:
    changed = path.stat().st_mtime_ns

    def is_fresh() -> bool:
        try:
            return path.stat().st_mtime_ns == changed
        except OSError:
            return False

    return path.read_text(encoding="utf-8"), str(path), is_fresh


def _names_below(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
