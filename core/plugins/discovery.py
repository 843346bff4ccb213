"""Finding plugins: the folders given, then the entry points; and the order to load them in."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from core.plugins.manifest import Manifest, ManifestError, read_manifest

__all__ = ["Discovery", "discover", "load_order"]

ENTRY_POINT_GROUP = "dougong.plugins"


@dataclass
class Discovery:
    """What was found: usable manifests by name, and why others are not usable."""

    manifests: dict[str, Manifest] = field(default_factory=dict)
    held_back: dict[str, str] = field(default_factory=dict)

    def add(self, folder: Path, module: str) -> None:
        """Read one folder's manifest; a second plugin of the same name is held back."""
        try:
            manifest = read_manifest(folder, module)
        except ManifestError as error:
            self.held_back[folder.name] = str(error)
            return
        if manifest.name in self.manifests:
            other = self.manifests[manifest.name].folder
            if other.resolve() != folder.resolve():
                self.held_back[f"{manifest.name}@{folder}"] = (
                    f"another plugin named {manifest.name} is installed already"
                )
            return
        self.manifests[manifest.name] = manifest


def discover(
    folders: Iterable[tuple[Path, str]], *, entry_point_group: str = ENTRY_POINT_GROUP
) -> Discovery:
    """All plugins in ``folders`` (each with the import prefix of what is in it) and entry points."""
    found = Discovery()
    for folder, prefix in folders:
        if not prefix and folder.is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))
        for path in sorted(folder.glob("*/plugin.cfg")):
            name = path.parent.name
            found.add(path.parent, f"{prefix}.{name}" if prefix else name)
    for point in sorted(entry_points(group=entry_point_group), key=lambda point: point.name):
        spec = importlib.util.find_spec(point.value.partition(":")[0])
        if spec is None or not spec.origin:
            found.held_back[point.name] = f"entry point {point.value}: no such package"
        else:
            found.add(Path(spec.origin).parent, point.value.partition(":")[0])
    return found


def load_order(
    manifests: Mapping[str, Manifest], *, core_version: str
) -> tuple[list[Manifest], dict[str, str]]:
    """Manifests with dependencies first, and the reasons of those that cannot run.

    A plugin is held back when it does not accept this core, when something it depends on is
    missing or held back, or when it is part of a circle.
    """
    order: list[Manifest] = []
    held_back: dict[str, str] = {}
    state: dict[str, str] = {}

    def visit(name: str, path: tuple[str, ...]) -> bool:
        if state.get(name) == "done":
            return name not in held_back
        if name in path:
            held_back.setdefault(
                name, "depends on itself: " + " → ".join((*path[path.index(name) :], name))
            )
            return False
        manifest = manifests[name]
        if not manifest.accepts_core(core_version):
            held_back[name] = f"needs core {manifest.core}, this is {core_version}"
        for needed in manifest.depends:
            if needed not in manifests:
                held_back.setdefault(name, f"needs the plugin {needed}, which is not installed")
            elif not visit(needed, (*path, name)):
                held_back.setdefault(name, f"needs the plugin {needed}, which is held back")
        for wanted in manifest.optional:
            if wanted in manifests and wanted not in path:
                visit(wanted, (*path, name))
        state[name] = "done"
        if name not in held_back:
            order.append(manifest)
        return name not in held_back

    for name in sorted(manifests):
        visit(name, ())
    return order, held_back
