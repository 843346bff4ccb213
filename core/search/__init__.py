"""Finding a record of any entity by a few words: an index of tokens that follows the records."""
