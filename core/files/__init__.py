"""Files: where they are kept, and how they are handed out."""

from core.files.storage import (
    FileMissing,
    FileTooLarge,
    LocalStorage,
    S3Storage,
    Storage,
    StorageError,
    StoredFile,
    content_disposition,
    is_inline_safe,
    open_storage,
    safe_filename,
    sniff_media_type,
)

__all__ = [
    "FileMissing",
    "FileTooLarge",
    "LocalStorage",
    "S3Storage",
    "Storage",
    "StorageError",
    "StoredFile",
    "content_disposition",
    "is_inline_safe",
    "open_storage",
    "safe_filename",
    "sniff_media_type",
]
