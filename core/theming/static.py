"""Static files: from a URL path to a file, and URLs that change when the file does."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from core.theming.registry import ThemeRegistry

__all__ = ["FOREVER", "StaticFiles"]

_YEAR = 365 * 24 * 3600
#: Of what never changes under its address.
FOREVER = f"public, max-age={_YEAR}, immutable"
#: The system's type tables differ between machines; these decide whether a browser runs a file.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class StaticFiles:
    """Static files of the core, the plugins and the themes.

    ``folders`` maps an owner to its ``static`` folder; ``core/app.css`` is the file
    ``<folder of core>/core/app.css``. ``themes/<name>/…`` is looked for in that theme and then in
    its parents. Hashes are kept for good unless ``watch`` is set.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        themes: ThemeRegistry,
        *,
        prefix: str = "/static",
        watch: bool = False,
    ) -> None:
        self._folders = {owner: folder.resolve() for owner, folder in folders.items()}
        self._themes = themes
        self._prefix = prefix.rstrip("/")
        self._watch = watch
        self._urls: dict[str, str] = {}

    def resolve(self, path: str) -> Path | None:
        """The file behind a URL path, or None when there is none or it lies outside its folder."""
        parts = path.split("/")
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
            return None
        for root, rest in self._places(parts):
            file = root.joinpath(*rest).resolve()
            if file.is_relative_to(root) and file.is_file():
                return file
        return None

    def url(self, path: str) -> str:
        """The address of a file with its content hash; `FileNotFoundError` when there is none."""
        if self._watch or path not in self._urls:
            self._urls[path] = f"{self._prefix}/{quote(path)}?v={self.version(path)}"
        return self._urls[path]

    def version(self, path: str) -> str:
        """The content hash that `url` carries."""
        file = self.resolve(path)
        if file is None:
            raise FileNotFoundError(f"no static file {path}")
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12]

    def headers(self, path: str, version: str | None) -> dict[str, str]:
        """Response headers for an existing file that was asked for with ``?v=version``.

        Only the present version may be kept for good: during a rolling update a new page can meet
        an old process, whose old file must not stick under the new address.
        """
        present = self._present_version(path)
        forever = version == present
        kind = _TYPES.get(Path(path).suffix) or mimetypes.guess_type(path)[0]
        return {
            "Content-Type": _with_charset(kind or "application/octet-stream"),
            "Cache-Control": FOREVER if forever else "no-cache",
            "ETag": f'"{present}"',
            "X-Content-Type-Options": "nosniff",
        }

    def _present_version(self, path: str) -> str:
        return self.url(path).rpartition("=")[2]

    def _places(self, parts: list[str]) -> list[tuple[Path, list[str]]]:
        if parts[0] == "themes" and len(parts) > 2 and parts[1] in self._themes:
            chain = self._themes.chain(parts[1])
            return [(theme.static.resolve(), parts[2:]) for theme in chain]
        folder = self._folders.get(parts[0])
        return [(folder / parts[0], parts[1:])] if folder and len(parts) > 1 else []


def _with_charset(kind: str) -> str:
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
