"""Tables as people send and fetch them: spreadsheets and text files, and cleaning their cells.

Knows no entity, no database and no request.
"""
