"""What belongs to an opportunity: its product lines, who works on it, and what it is worth."""
