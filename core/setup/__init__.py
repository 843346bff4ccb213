"""Setting up in the browser: pages for an installation that holds nothing yet, and for none other."""

from core.setup.installing import Choices, Setup, is_empty, problems_of
from core.setup.pages import create_setup_app

__all__ = ["Choices", "Setup", "create_setup_app", "is_empty", "problems_of"]
