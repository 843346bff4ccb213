"""For plugin authors: fixtures, factories and the conformance suite. Part of the public contract."""
