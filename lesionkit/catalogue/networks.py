"""The networks and their variants, as a plain dict literal."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Variant:
    """One exact network behind a model's name; counts for 3 channels in, 1 out."""

    parameters: int
    gmacs: float  # forward, one 224 x 224 image
    heads: int = 1
    encoder: str = "none"
    pretrained: str | None = None  # id of the encoder's weights, where there are any
    multiple_of: int = 1  # both sides of an image must be a multiple of this
    only: int | None = None  # the one side that it takes, where there is only one

    @property
    def sides(self) -> str:
        """The sides of an image that it takes, in words."""
        if self.only:
            return f"{self.only} only"
        return f"multiples of {self.multiple_of}" if self.multiple_of > 1 else "any"

    def takes(self, size: int) -> bool:
        """Whether it takes square images of that side."""
        return size == self.nearest(size)

    def nearest(self, size: int) -> int:
        """The side nearest to that one which it takes."""
        step = self.multiple_of
        return self.only or max(step, (size + step // 2) // step * step)


@dataclass(frozen=True)
class ModelEntry:
    """One network: its builder, its paper and its variants, the default one first."""

    target: str
    title: str
    group: str  # general, medical (for any organ) or specialised (in lesions)
    year: int
    source: str
    licence: str
    variants: dict[str, Variant] = field(default_factory=dict)

    @property
    def default(self) -> str:
        """The variant taken when none is named."""
        return next(iter(self.variants))


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
            "unet_bn_transposed_16": Variant(1_942_577, 2.32),
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
    "colonsegnet": ModelEntry(
        "lesionkit.models.colonsegnet:build",
        "ColonSegNet",
        "specialised",
        2021,
        "Jha et al., IEEE Access 9 (2021)",
        "own implementation, MIT (the authors' code states no licence: not used)",
        {"colonsegnet": Variant(5_014_049, 30.16, multiple_of=8)},
    ),
    "fatnet": ModelEntry(
        "lesionkit.models.fatnet:build",
        "FAT-Net",
        "specialised",
        2022,
        "Wu et al., Medical Image Analysis 76 (2022)",
        "own implementation, MIT (the authors' code states no licence: not used)",
        {
            "fatnet": Variant(
                28_754_017,
                22.92,
                encoder="ResNet-34 and DeiT-tiny",
                pretrained="resnet34.tv_in1k + deit_tiny_distilled_patch16_224.fb_in1k",
                only=224,
            )
        },
    ),
    "fcbformer": ModelEntry(
        "lesionkit.models.fcbformer:build",
        "FCBFormer",
        "specialised",
        2022,
        "Sanderson and Matuszewski, MIUA 2022",
        "own implementation, MIT (the authors' code, Apache-2.0, was not used)",
        {
            "fcbformer_quarter": Variant(
                52_962_337, 29.87, 1, "PVTv2-B3", "pvt_v2_b3.in1k", 32
            ),
            "fcbformer_authors_88": Variant(
                52_962_337, 32.53, 1, "PVTv2-B3", "pvt_v2_b3.in1k", 32
            ),
        },
    ),
    "colonformer": ModelEntry(
        "lesionkit.models.colonformer:build",
        "ColonFormer",
        "specialised",
        2022,
        "Duc et al., IEEE Access 10 (2022)",
        "own implementation, MIT (the authors' code is non-commercial: not used);"
        " MiT in smp and its weights: NVIDIA, non-commercial",
        {
            "colonformer": Variant(
                52_944_528, 9.50, 4, "MiT-B3", "smp-hub/mit_b3.imagenet", 32
            ),
            "colonformer_s": Variant(
                33_068_688, 6.63, 4, "MiT-B2", "smp-hub/mit_b2.imagenet", 32
            ),
        },
    ),
    "caranet": ModelEntry(
        "lesionkit.models.caranet:build",
        "CaraNet",
        "specialised",
        2022,
        "Lou, Guan and Loew, SPIE Medical Imaging 12032 (2022)",
        "own implementation, MIT (the authors' code states no licence: not used)",
        {
            "caranet": Variant(
                44_593_560, 8.73, 4, "Res2Net-101 v1b", "res2net101d.in1k", 32
            )
        },
    ),
    "esfpnet": ModelEntry(
        "lesionkit.models.esfpnet:build",
        "ESFPNet",
        "specialised",
        2023,
        "Chang et al., SPIE Medical Imaging (2023)",
        "own implementation, MIT (the authors' code states no licence: not used);"
        " MiT in smp and its weights: NVIDIA, non-commercial",
        {
            "esfpnet": Variant(
                25_043_649, 3.51, 1, "MiT-B2", "smp-hub/mit_b2.imagenet", 32
            ),
            "esfpnet_t": Variant(
                3_532_129, 0.51, 1, "MiT-B0", "smp-hub/mit_b0.imagenet", 32
            ),
            "esfpnet_l": Variant(
                61_690_049, 9.16, 1, "MiT-B4", "smp-hub/mit_b4.imagenet", 32
            ),
        },
    ),
    "ducknet": ModelEntry(
        "lesionkit.models.ducknet:build",
        "DUCK-Net",
        "specialised",
        2023,
        "Dumitru, Peteleaza and Craciun, Scientific Reports 13 (2023)",
        "own implementation, MIT (the authors' code, CC BY 4.0, was not used)",
        {
            "ducknet": Variant(38_867_668, 18.49, multiple_of=32),
            "ducknet_34": Variant(155_303_507, 73.66, multiple_of=32),
        },
    ),
    "emcadnet": ModelEntry(
        "lesionkit.models.emcadnet:build",
        "EMCADNet",
        "medical",
        2024,
        "Rahman, Munir and Marculescu, CVPR 2024",
        "own implementation, MIT (the authors' code is non-commercial: not used)",
        {
            "emcadnet": Variant(26_764_399, 4.39, 4, "PVTv2-B2", "pvt_v2_b2.in1k", 32),
            "emcadnet_b0": Variant(
                3_916_783, 0.67, 4, "PVTv2-B0", "pvt_v2_b0.in1k", 32
            ),
        },
    ),
    "segnet": ModelEntry(
        "lesionkit.models.segnet:build",
        "SegNet",
        "general",
        2017,
        "Badrinarayanan, Kendall and Cipolla, TPAMI 2017",
        "own implementation, MIT (the authors' code is non-commercial: not used)",
        {
            "segnet_vgg16": Variant(
                29_443_585, 30.64, 1, "VGG-16", "vgg16_bn.tv_in1k", 32
            )
        },
    ),
    "enet": ModelEntry(
        "lesionkit.models.enet:build",
        "ENet",
        "general",
        2016,
        "Paszke et al., arXiv:1606.02147 (2016)",
        "own implementation, MIT (the authors' code is non-commercial: not used)",
        {
            "enet_port": Variant(349_068, 0.35),
            "enet_authors": Variant(363_141, 0.36, multiple_of=8),
        },
    ),
}


def several_heads() -> list[str]:
    """The variants with more than one head, each as `model (variant)`."""
    return [
        f"{name} ({variant})"
        for name, entry in MODELS.items()
        for variant, network in entry.variants.items()
        if network.heads > 1
    ]
