"""The kernel of Dougong: identity, permissions, records and hooks. It names no plugin."""

__version__ = "0.1.0"
