"""The command ``dougong``."""


def main() -> None:
    """placeholder"""
