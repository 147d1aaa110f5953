"""A name to its entry; one wording for a name that does not exist."""

import pytest

from lesionkit import lookup
from lesionkit.catalogue import DATASETS, LOSSES, MODELS

ENTRIES = {**LOSSES, **MODELS, **DATASETS}
WHICH = [name for name, entry in DATASETS.items() if entry.which]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("iuofocal", "ioufocal"),
        ("IoUFocal", "ioufocal"),
        ("deeplab", "deeplabv3plus"),
        ("dise", "dice"),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(typed, meant):
    assert lookup.nearest(typed, [*LOSSES, *MODELS]) == meant


def test_nothing_is_nearest_to_a_name_unlike_all_others():
    assert lookup.nearest("zzzzzz", LOSSES) is None


def test_the_nearest_name_keeps_its_own_case():
    assert lookup.nearest("a-PRINTED", ["A-printed", "B"]) == "A-printed"


def test_an_unknown_name_is_told_with_the_nearest_and_all_names():
    error = lookup.unknown("loss", "dise", ["dice", "iou"])
    assert str(error) == "unknown loss 'dise'. Did you mean 'dice'? One of: dice, iou."


def test_an_unknown_name_without_a_near_one_gets_no_hint():
    error = lookup.unknown("loss", "zzzzzz", ["dice", "iou"])
    assert str(error) == "unknown loss 'zzzzzz'. One of: dice, iou."


def test_a_known_name_finds_its_entry():
    assert lookup.find("loss", "iou", LOSSES) is LOSSES["iou"]


@pytest.mark.parametrize("name", ["", "IoU", 7, None, ["iou"]])
def test_what_is_not_exactly_a_name_is_refused(name):
    with pytest.raises(lookup.UnknownName, match="unknown loss"):
        lookup.find("loss", name, LOSSES)


def test_an_unknown_name_is_a_value_error():
    assert issubclass(lookup.UnknownName, ValueError)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_target_of_the_catalogue_resolves(name):
    assert callable(lookup.resolve(ENTRIES[name].target))


@pytest.mark.parametrize("name", WHICH)
def test_every_source_rule_of_the_catalogue_resolves(name):
    assert callable(lookup.resolve(DATASETS[name].which))


@pytest.mark.parametrize("part", sorted({p for e in LOSSES.values() for p in e.parts}))
def test_every_part_of_a_compound_loss_is_a_loss(part):
    assert part in LOSSES
