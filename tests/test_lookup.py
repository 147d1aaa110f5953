"""A name to its entry; one wording for a name that does not exist."""

import pickle

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


def shown(error: Exception) -> list[str]:
    """The lines that a notebook shows of an error."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    lines = []
    shell._showtraceback = lambda kind, value, stb: lines.extend(stb)
    shell.showtraceback((type(error), error, error.__traceback__))
    return lines


def test_a_notebook_shows_a_refusal_in_a_line_and_other_errors_with_their_place():
    with pytest.raises(KeyError) as other, lookup.shown_in_a_line(ValueError):
        raise KeyError("dice")
    kinds = (ValueError, TypeError)
    with pytest.raises(kinds) as refused, lookup.shown_in_a_line(*kinds):
        raise ValueError("a size of 8 or more")
    assert shown(refused.value) == ["ValueError: a size of 8 or more"]
    assert len(shown(other.value)) > 1


def test_a_refusal_goes_from_process_to_process_with_its_line():
    with pytest.raises(ValueError) as refused, lookup.shown_in_a_line(ValueError):
        raise lookup.UnknownName("no")
    again = pickle.loads(pickle.dumps(refused.value))
    assert again._render_traceback_() == ["UnknownName: no"]


def test_an_error_is_told_on_one_line_and_by_its_type_if_it_is_mute():
    assert lookup.one_line(ValueError("no\n  such\tfile"), longest=7) == "no such"
    assert lookup.one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
