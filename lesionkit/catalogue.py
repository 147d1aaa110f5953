"""What there is: losses, definitions, models and data sets, as plain dict literals.

Free of torch. A new loss, model or data set is one entry here and one file.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class LossEntry:
    """One loss: where its class is, what it is made of, where it comes from."""

    target: str
    group: str  # region, distribution or compound, as paper A sorts them
    source: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """One exact network behind a model's name; counts for 3 channels in, 1 out."""

    parameters: int
    gmacs: float  # forward, one 224 x 224 image
    heads: int = 1
    encoder: str = "none"
    pretrained: str | None = None  # id of the encoder's weights, where there are any
    multiple_of: int = 1  # both sides of an image must be a multiple of this


@dataclass(frozen=True)
class ModelEntry:
    """One network: its builder, its paper and its variants, the default one first."""

    target: str
    title: str
    group: str  # general, medical or specialised, as paper A sorts them
    year: int
    source: str
    licence: str
    variants: dict[str, Variant] = field(default_factory=dict)

    @property
    def default(self) -> str:
        """The variant taken when none is named."""
        return next(iter(self.variants))


@dataclass(frozen=True)
class DatasetEntry:
    """One data set: its adapter, what its publisher says of it, how it must lie."""

    target: str
    title: str
    modality: str
    published_count: int | None
    licence: str
    source: str
    layout: str  # what the raw folder must hold
    generated: bool = False  # made by the kit: needs no raw folder
    which: str = ""  # target that tells which of several sources a raw folder is


LOSSES = {
    "iou": LossEntry("lesionkit.losses:IoULoss", "region", "paper A, II-3 (1)"),
    "dice": LossEntry("lesionkit.losses:DiceLoss", "region", "paper A, II-3 (2)"),
    "bce": LossEntry("lesionkit.losses:BCELoss", "distribution", "paper A, II-3 (3)"),
    "focal": LossEntry(
        "lesionkit.losses:FocalLoss", "distribution", "paper A, II-3 (4); paper B, (3)"
    ),
    "ioudice": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("iou", "dice")
    ),
    "ioubce": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("iou", "bce")
    ),
    "ioufocal": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("iou", "focal")
    ),
    "dicebce": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("dice", "bce")
    ),
    "dicefocal": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("dice", "focal")
    ),
    "bcefocal": LossEntry(
        "lesionkit.losses:SumLoss", "compound", "paper A, II-3", ("bce", "focal")
    ),
    "balanced_bce": LossEntry(
        "lesionkit.losses:BalancedBCELoss", "distribution", "paper B, (2)"
    ),
    "custom": LossEntry(
        "lesionkit.losses:WeightedSumLoss",
        "compound",
        "paper B, (5)",
        ("focal", "dice"),
    ),
}

PAPER_A_LOSSES = tuple(LOSSES)[:10]
PAPER_B_LOSSES = ("balanced_bce", "focal", "custom")

# One name, several formulas: what each definition means by its focal term.
# Paper A prints alpha 0.8 and gamma 0.2; 0.2 is likely a slip for 2. The mean-first
# form stands in a public implementation of the same design. Paper B gives alpha, gamma
# and beta per network (Table 1), so its definition has no numbers of its own.
DEFINITIONS = {
    "A-printed": {
        "focal_form": "pixel",
        "alpha_form": "alpha_t",
        "alpha": 0.8,
        "gamma": 0.2,
        "losses": PAPER_A_LOSSES,
    },
    "A-gamma2": {
        "focal_form": "pixel",
        "alpha_form": "alpha_t",
        "alpha": 0.8,
        "gamma": 2.0,
        "losses": PAPER_A_LOSSES,
    },
    "A-meanfirst": {
        "focal_form": "meanfirst",
        "alpha_form": "constant",
        "alpha": 0.8,
        "gamma": 2.0,
        "losses": PAPER_A_LOSSES,
    },
    "B": {
        "focal_form": "pixel",
        "alpha_form": "alpha_t",
        "alpha": None,
        "gamma": None,
        "losses": PAPER_B_LOSSES,
    },
}

MODELS = {
    "fcn": ModelEntry(
        "lesionkit.models.fcn:build",
        "FCN",
        "general",
        2015,
        "Long, Shelhamer and Darrell, CVPR 2015",
        "torchvision graph, BSD-3",
        {
            "tv_fcn_resnet101": Variant(
                51_938_881, 41.33, 1, "ResNet-101", "resnet101.tv_in1k"
            ),
            "tv_fcn_resnet50": Variant(
                32_946_753, 26.48, 1, "ResNet-50", "resnet50.tv_in1k"
            ),
            "fcn8s_vgg16": Variant(134_265_699, 62.67, 1, "VGG-16"),
        },
    ),
    "deeplabv3plus": ModelEntry(
        "lesionkit.models.deeplabv3plus:build",
        "DeepLab-V3+",
        "general",
        2018,
        "Chen et al., ECCV 2018",
        "segmentation-models-pytorch graph, MIT",
        {
            "smp_resnet101_rates_6_12_18": Variant(
                45_669_713, 10.71, 1, "ResNet-101", "resnet101.tv_in1k", 16
            ),
            "smp_resnet50_rates_6_12_18": Variant(
                26_677_585, 7.00, 1, "ResNet-50", "resnet50.tv_in1k", 16
            ),
        },
    ),
    "unet": ModelEntry(
        "lesionkit.models.unet:build",
        "U-Net",
        "medical",
        2015,
        "Ronneberger, Fischer and Brox, MICCAI 2015",
        "own implementation, MIT; smp_unet_resnet34: smp graph, MIT",
        {
            "unet_bn_transposed": Variant(31_037_633, 36.88),
            "unet_2015_same_padding": Variant(31_031_745, 36.88, multiple_of=16),
            "unet_bn_bilinear": Variant(17_262_977, 30.61),
            "unet_bn_nearest_conv": Variant(34_527_041, 50.03, multiple_of=16),
            "smp_unet_resnet34": Variant(
                24_436_369, 5.98, 1, "ResNet-34", "resnet34.tv_in1k"
            ),
        },
    ),
    "unetplusplus": ModelEntry(
        "lesionkit.models.unetplusplus:build",
        "U-Net++",
        "medical",
        2018,
        "Zhou et al., DLMIA 2018",
        "own implementation, MIT (the authors' code is non-commercial: not used)",
        {
            "unetpp_bn_bilinear": Variant(9_163_329, 26.40, multiple_of=16),
            "unetpp_bn_bilinear_4heads": Variant(9_163_428, 26.41, 4, multiple_of=16),
        },
    ),
}

DATASETS = {
    "toy": DatasetEntry(
        "lesionkit.datasets.toy:samples",
        "Toy lesions (skin, endoscopy and ultrasound looks)",
        "procedural",
        None,
        "MIT, made by the kit",
        "lesionkit",
        "nothing: the kit draws it",
        generated=True,
    ),
    "kvasir": DatasetEntry(
        "lesionkit.datasets.kvasir:samples",
        "Kvasir-SEG",
        "colonoscopy",
        1000,
        "research and education only; commercial use needs permission",
        "Jha et al., MMM 2020",
        "Kvasir-SEG/images/*.jpg and Kvasir-SEG/masks/*.jpg with the same names",
    ),
    "clinicdb": DatasetEntry(
        "lesionkit.datasets.clinicdb:samples",
        "CVC-ClinicDB",
        "colonoscopy",
        612,
        "research and education only; commercial use forbidden",
        "Bernal et al., Comput. Med. Imaging Graph. 43 (2015)",
        "CVC-ClinicDB/Original/N.tif and CVC-ClinicDB/Ground Truth/N.tif, N = 1 to 612",
    ),
    "isic2017": DatasetEntry(
        "lesionkit.datasets.isic2017:samples",
        "ISIC 2017, lesion boundaries",
        "dermoscopy",
        2750,
        "CC0 by recollection; check the publisher's page",
        "Codella et al., arXiv:1710.05006",
        "ISIC-2017_Training_Data/ISIC_*.jpg with"
        " ISIC-2017_Training_Part1_GroundTruth/ISIC_*_segmentation.png,"
        " and the same for Validation and Test_v2 where present",
    ),
    "wound": DatasetEntry(
        "lesionkit.datasets.wound:samples",
        "Wounds (the study's set; the foot-ulcer challenge stands in)",
        "photograph",
        1109,
        "no licence file; shared publicly with the clinic's permission",
        "Wang et al., Sci. Rep. 10 (2020) 21897",
        "train, validation or test/images/*.png with labels/*.png of the same names",
        which="lesionkit.datasets.wound:source",
    ),
    "busi_benign": DatasetEntry(
        "lesionkit.datasets.busi:benign_samples",
        "BUSI, benign",
        "breast ultrasound",
        437,
        "unclear: treat as research use",
        "Al-Dhabyani et al., Data in Brief 28 (2020) 104863",
        "Dataset_BUSI_with_GT/benign/benign (N).png with benign (N)_mask.png"
        " and, for more lesions, _mask_1.png, _mask_2.png",
    ),
    "busi_malignant": DatasetEntry(
        "lesionkit.datasets.busi:malignant_samples",
        "BUSI, malignant",
        "breast ultrasound",
        210,
        "unclear: treat as research use",
        "Al-Dhabyani et al., Data in Brief 28 (2020) 104863",
        "Dataset_BUSI_with_GT/malignant/malignant (N).png with malignant (N)_mask.png",
    ),
    "folder": DatasetEntry(
        "lesionkit.datasets.folder:samples",
        "Your own images",
        "any",
        None,
        "yours",
        "you",
        "images/ and masks/ with the same file stems",
    ),
}
