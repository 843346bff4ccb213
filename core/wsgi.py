"""For other WSGI servers: ``core.wsgi:application``. Background work then needs ``dougong worker``."""

from __future__ import annotations

from core.app import create_app

application = create_app()
