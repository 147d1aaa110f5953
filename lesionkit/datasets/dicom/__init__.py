"""CT: a folder of DICOM files to series in Hounsfield units, their masks, the window.

`series` orders the slices of a folder, `masks` finds what is marked on them, `choosing`
says which series counts, `files` opens and writes one file; pydicom is imported here
alone. `volumes.read_volume` reads a CT without masks, a series or a NIfTI file, as
windowed slices with what a mask needs to be written back. `lungct`, `ct_phantom` and
`export` import it, and figures the window.
"""

from __future__ import annotations

from lesionkit.datasets.dicom.series import Series, read_series
from lesionkit.datasets.dicom.volumes import Volume, read_volume
from lesionkit.datasets.dicom.windowing import MEDIASTINAL, window

__all__ = ["MEDIASTINAL", "Series", "Volume", "read_series", "read_volume", "window"]
