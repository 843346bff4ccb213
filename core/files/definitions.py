"""How stored files are arranged as an entity."""

from __future__ import annotations

from core.fields import EntityDef
from core.files.access import file_scope
from core.files.models import StoredFileRecord
from core.i18n import lazy_gettext as _l

__all__ = ["file"]

file = EntityDef(
    name="file",
    model=StoredFileRecord,
    label=_l("File"),
    label_plural=_l("Files"),
    label_field="name",
    icon="paperclip",
    list_columns=("name", "media_type", "size", "created_at", "created_by"),
    creatable=False,
    updatable=False,
    deletable=False,
    importable=False,
    navigable=False,
    directory=True,
    scope=file_scope,
)
