"""``dougong plugin new``: writes a small plugin that passes the conformance suite at once."""

from __future__ import annotations

from pathlib import Path
from string import Template

from core import __version__
from core.errors import Refused
from core.i18n import gettext as _
from core.plugins.manifest import NAME

__all__ = ["create_plugin"]

FILES = Path(__file__).parent / "scaffold_files"


def create_plugin(name: str, folder: Path, *, title: str | None = None) -> list[Path]:
    """Write the plugin ``name`` below ``folder`` and return its files.

    Raises `Refused` for a name that no plugin can have and for a folder that exists.
    """
    if not NAME.fullmatch(name):
        raise Refused(_("%(name)s cannot be a plugin's name: use a-z, 0-9 and _.", name=name[:60]))
    target = folder / name
    if target.exists():
        raise Refused(_("%(path)s exists already.", path=str(target)))
    values = {
        "name": name,
        "title": title or name.replace("_", " ").capitalize(),
        "core": ".".join(__version__.split(".")[:2]),
    }
    written = []
    for source in sorted(path for path in FILES.rglob("*.txt")):
        path = target / source.relative_to(FILES).with_name(_file_name(source, name))
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(source.read_text(encoding="utf-8")).substitute(values)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def _file_name(source: Path, name: str) -> str:
    """``plugin.po.txt`` and ``test_plugin.py.txt`` carry the plugin's name; others keep theirs."""
    own = source.name.removesuffix(".txt")
    return own.replace("plugin", name) if own in ("plugin.po", "test_plugin.py") else own
