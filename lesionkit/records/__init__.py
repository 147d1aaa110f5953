"""The run record: what a run leaves on disk, sealed when it is whole.

In: a RunConfig and what a training found. Out: a RunRecord that is checked when it is
read. Every room after this one may import it. This file imports nothing, so that
`lesionkit --help` loads no pandas.
"""

__all__ = [
    "curves",
    "disks",
    "files",
    "formats",
    "leases",
    "locks",
    "remote",
    "runs",
    "sessions",
    "stores",
    "trackers",
]
