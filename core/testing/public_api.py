"""What plugins may import from the core, and how a plugin's own source is held to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

__all__ = ["PUBLIC_MODULES", "Import", "imports_of", "private_imports"]

#: Modules whose ``__all__`` is the public API (docs/plugins/write.md, ADR 0008). A trailing dot
#: stands for all modules below.
PUBLIC_MODULES = (
    "core.assigning.",
    "core.audit.recorder",
    "core.clock",
    "core.customize.kinds",
    "core.db.base",
    "core.db.types",
    "core.documents",
    "core.documents.",
    "core.egress",
    "core.entities.aggregate",
    "core.entities.bulk",
    "core.entities.bulk_undo",
    "core.entities.changes",
    "core.entities.conditions",
    "core.entities.conditions_python",
    "core.entities.consent",
    "core.entities.edits",
    "core.entities.labels",
    "core.entities.likeness",
    "core.entities.measures",
    "core.entities.merging",
    "core.entities.origins",
    "core.entities.paging",
    "core.entities.periods",
    "core.entities.query",
    "core.entities.reading",
    "core.entities.related",
    "core.entities.rendering",
    "core.entities.sequences",
    "core.entities.service",
    "core.entities.values",
    "core.errors",
    "core.expressions",
    "core.faults",
    "core.fields",
    "core.fields.declare",
    "core.files",
    "core.files.service",
    "core.files.storage",
    "core.http.addresses",
    "core.http.forms",
    "core.http.presenting",
    "core.http.rendering",
    "core.http.reports",
    "core.http.requests",
    "core.i18n",
    "core.i18n.formats",
    "core.mail",
    "core.notifications",
    "core.notifications.",
    "core.ops.install",
    "core.plugins",
    "core.plugins.contributions",
    "core.plugins.manifest",
    "core.pools.",
    "core.reference.reading",
    "core.richtext",
    "core.search",
    "core.security.actor",
    "core.security.directory",
    "core.security.heads",
    "core.settings.preferences",
    "core.settings.service",
    "core.tabular.cleaning",
    "core.testing.",
    "core.work.events",
    "core.work.jobs",
    "core.work.uow",
    "core.xml",
)


@dataclass(frozen=True)
class Import:
    """``from module import name``, or ``import module`` with an empty name."""

    module: str
    name: str
    place: str


def imports_of(folder: Path, package: str) -> list[Import]:
    """All imports of a plugin's source, its tests left out; relative ones made absolute."""
    found: list[Import] = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        if parts[0] == "tests":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        inside = ".".join((package, *parts[:-1]))
        found += _imports(tree, inside, str(path.relative_to(folder.parent)))
    return found


def _imports(tree: ast.AST, inside: str, file: str) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", f"{file}:{node.lineno}")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = inside.split(".")[: len(inside.split(".")) - node.level + 1]
                base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(base, alias.name, f"{file}:{node.lineno}")


def private_imports(imports: list[Import]) -> list[str]:
    """Those that reach into the core beyond its public names, each with its place."""
    return [
        f"{each.place}: {each.module}{'.' + each.name if each.name else ''}"
        for each in imports
        if each.module.partition(".")[0] == "core" and not _is_public(each)
    ]


def _is_public(each: Import) -> bool:
    if _is_listed(f"{each.module}.{each.name}"):
        return True  # from core.entities import service
    if not _is_listed(each.module):
        return False
    return not each.name or each.name in getattr(import_module(each.module), "__all__", ())


def _is_listed(module: str) -> bool:
    return module in PUBLIC_MODULES or any(
        module.startswith(prefix) for prefix in PUBLIC_MODULES if prefix.endswith(".")
    )
