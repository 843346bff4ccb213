"""Plots of land that lie in a pool until somebody claims them: docs/plugins/pools.md shows this plugin."""
