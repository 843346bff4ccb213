"""The page that asks before a step that cannot be taken back."""

from __future__ import annotations

from collections.abc import Sequence

from core.http.rendering import render

__all__ = ["ask"]


def ask(
    title: str,
    text: str,
    *,
    action: str,
    label: str,
    back: str,
    crumb: str,
    hidden: Sequence[tuple[str, str]] = (),
) -> str:
    """Ask; the button ``label`` posts to ``action`` with what is ``hidden``, all else leads ``back``."""
    return render(
        "core/admin/confirm.html",
        title=title,
        text=text,
        items=[],
        action=action,
        label=label,
        kind="danger",
        back=back,
        crumb=crumb,
        hidden=hidden,
    )
