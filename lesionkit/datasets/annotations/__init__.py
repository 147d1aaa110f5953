"""The forms that masks come in, other programs' too: a raw folder in, samples out.

`layouts` finds which of the forms it is, `naming` has the words that folders and masks
are called by, `areas` draws outlines. Every form has a file of its own; masks of
several classes follow the rules of `pictures.lesions`, outlines of several names need
lesion_values.txt as well. `folder` alone imports this room.
"""

__all__ = [
    "areas",
    "bundles",
    "coco",
    "folders",
    "hub",
    "labelme",
    "layouts",
    "naming",
    "nnunet",
    "scanning",
    "yolo",
]
