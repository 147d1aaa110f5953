"""Files of any kind in; a frame of texts out, and what its names and cells say.

`files` reads a file, `headers` its names of columns, `cells` its cells; `spellings` is
the one list of how columns are called. All that reads a table imports these.
"""

__all__ = ["cells", "exports", "files", "headers", "spellings", "texts"]
