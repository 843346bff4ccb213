"""Whose paper it is: the company's name, address and logo, as they stand in the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import NotFound
from core.files.logo import open_logo
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Letterhead", "read_letterhead"]


@dataclass(frozen=True)
class Letterhead:
    """``logo`` is the content of a picture, empty without one."""

    company: str
    address: str = ""
    logo: bytes = b""


def read_letterhead(uow: UnitOfWork) -> Letterhead:
    """The company's letterhead; without the logo where its file is gone."""
    logo, number = b"", get_setting(uow, "core_look", "logo")
    if number is not None:
        try:
            _row, stream = open_logo(uow, number)
        except NotFound:
            pass
        else:
            with stream:
                logo = stream.read()
    return Letterhead(
        get_setting(uow, "core", "company_name"),
        get_setting(uow, "core", "company_address") or "",
        logo,
    )
