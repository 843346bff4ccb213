"""Goals: from a baseline to a target by a day, and how far they are on their way."""
