"""Picture files in, arrays out: decoding, sizes, and the facts of a file.

Imported by the adapters, by `prepared` and by `inspection`.
"""

__all__ = [
    "arrays",
    "images",
    "lesions",
    "resizing",
    "samples",
]
