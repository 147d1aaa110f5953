"""Raw files in, samples of image and mask out: one adapter for each source.

`pictures` reads picture files, `dicom` reads CT, `fetching` downloads. Only this room
reads data/raw; `prepared`, `inspection`, figures and commands import it.
"""

__all__ = [
    "dicom",
    "fetching",
    "folder",
    "lungct",
    "own_files",
    "pairs",
    "pictures",
]
