"""Follow-ups and tasks on records of any module, a calendar, and one's day on the first page."""
