"""What to cite: the works behind networks, data sets, losses, protocols and tables.

works.bib holds each as BibTeX, under the key that stands here. "and others" stands
where an author list was not checked name by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

FILE = Path(__file__).parent / "works.bib"
KIT = "lesionkit"
WORKS: dict[str, dict[str, tuple[str, ...]]] = {
    "protocol": {
        **dict.fromkeys(("demo", "practice"), ()),
        "paper_a": ("paper_a",),
        "paper_a_fast": ("paper_a",),
        "paper_a_public": ("paper_a", "public_rerun"),
        "paper_b": ("paper_b",),
    },
    "model": {
        "fcn": ("long2015fcn",),
        "deeplabv3plus": ("chen2018deeplabv3plus",),
        "unet": ("ronneberger2015unet",),
        "unetplusplus": ("zhou2018unetplusplus",),
        "colonsegnet": ("jha2021colonsegnet",),
        "fatnet": ("wu2022fatnet",),
        "fcbformer": ("sanderson2022fcbformer",),
        "colonformer": ("duc2022colonformer",),
        "caranet": ("lou2022caranet",),
        "esfpnet": ("chang2023esfpnet",),
        "ducknet": ("dumitru2023ducknet",),
        "emcadnet": ("rahman2024emcad",),
        "segnet": ("badrinarayanan2017segnet",),
        "enet": ("paszke2016enet",),
    },
    "dataset": {
        **dict.fromkeys(("toy", "ct_phantom", "lungct"), ()),
        "kvasir": ("jha2020kvasir",),
        "clinicdb": ("bernal2015clinicdb",),
        "isic2017": ("codella2017isic",),
        "wound": ("wang2020wound",),
        "busi": ("aldhabyani2020busi",),
        "busi_benign": ("aldhabyani2020busi",),
        "busi_malignant": ("aldhabyani2020busi",),
        "lidc_slices_any": ("armato2011lidc",),
        "lidc_slices_majority": ("armato2011lidc",),
        "lidc_slices_all": ("armato2011lidc",),
        "lidc_npz": ("armato2011lidc",),
    },
    "loss": {
        **dict.fromkeys(("iou", "bce", "ioubce"), ()),
        "dice": ("milletari2016vnet",),
        "focal": ("lin2017focal",),
        "ioudice": ("milletari2016vnet",),
        "ioufocal": ("lin2017focal",),
        "dicebce": ("milletari2016vnet",),
        "dicefocal": ("milletari2016vnet", "lin2017focal"),
        "bcefocal": ("lin2017focal",),
        "custom": ("paper_b", "milletari2016vnet", "lin2017focal"),
        "balanced_bce": ("paper_b",),
        "tversky": ("salehi2017tversky",),
        "focal_tversky": ("abraham2019focaltversky",),
        "squared_dice": ("milletari2016vnet",),
        "logcosh_dice": ("jadon2020survey",),
        "lovasz": ("berman2018lovasz",),
        "mcc": ("abhishek2021mcc",),
        "poly1": ("leng2022polyloss",),
        "topk": ("wu2016bridging",),
        "smoothed_bce": ("szegedy2016rethinking",),
        "structure": ("wei2020f3net", "fan2020pranet"),
        "asym_unified_focal": ("yeung2022unified",),
        "dicebce_image": ("isensee2021nnunet",),
    },
    "table": {
        **dict.fromkeys(("study-small", "study-small-all", "study-small-images"), ()),
        "public-rerun": ("paper_a", "public_rerun"),
        "public-rerun-34": ("paper_a", "public_rerun"),
        "public-rerun-runs": ("paper_a", "public_rerun"),
        "loss-odyssey": ("ma2021odyssey",),
        "loss-odyssey-v2": ("ma2021odyssey",),
        "nnunet-revisited": ("isensee2024revisited",),
    },
}


def entries() -> dict[str, str]:
    """Key to BibTeX of every work."""
    found = re.split(r"\n\n(?=@)", FILE.read_text().strip())
    return {text[text.index("{") + 1 : text.index(",")]: text for text in found}


def used(names: Mapping[str, Iterable[str]]) -> tuple[list[str], list[str]]:
    """The keys of the works behind names, the kit first, and the names without one.

    Args:
        names: of WORKS' kinds: "model", "dataset", "loss", "protocol", "table".
    """
    keys, unknown = {KIT: None}, []
    for kind, those in names.items():
        for name in dict.fromkeys(those):
            works = WORKS[kind].get(name.partition("(")[0])  # less its options
            keys |= dict.fromkeys(works or ())
            if works is None:
                unknown.append(f"{kind} {name}")
    return list(keys), unknown
