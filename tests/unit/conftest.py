"""Pieces by themselves; they speak English, whatever catalogues other tests have loaded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.i18n import use_locale


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    with use_locale("en"):
        yield
