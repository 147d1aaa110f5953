"""Sections of doctor as a check fills them, with made facts of torch and of a GPU."""

from lesionkit.doctor.section import Section

GIB = 1 << 30
TORCH = {
    "torch": "2.15.0",
    "cuda": "13.2",
    "hip": None,
    "threads": 2,
    "available": False,
    "gpus": [],
    "architectures": [],
    "said": [],
    "torchvision": "0.29.2",
}
CARD = {"gpus": ["NVIDIA X, 24 GiB"], "failure": "", "Driver": "580.1", "CUDA": "13.4"}
NO_CARD = {"gpus": [], "failure": ""}


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
