"""Sections of doctor as a check fills them, with made facts of torch and of a GPU."""

import sys

import pytest

from lesionkit.doctor.section import Section

GIB = 1 << 30
TORCH = {
    "torch": "2.15.0",
    "cuda": "13.2",
    "threads": 2,
    "available": False,
    "gpus": [],
    "architectures": [],
    "said": [],
    "torchvision": "0.29.2",
}
CARD = ["NVIDIA X, 24576 MiB, 580.1"], ""  # what nvidia-smi lists, why it does not
NO_CARD = [], ""


@pytest.fixture(autouse=True)
def no_kernel():
    """Forgets ipykernel after a test, for a bar takes its import for a notebook."""
    yield
    sys.modules.pop("ipykernel", None)


def examined(check, *given):
    """The section that a check fills."""
    section = Section("made")
    check(section, *given)
    return section


def findings(section):
    """Level and line of each finding."""
    return [(finding.level, finding.says) for finding in section.findings]


def only(section):
    """The only finding there is."""
    ((level, says),) = findings(section)
    return level, says
