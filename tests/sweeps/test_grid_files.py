"""A grid in a YAML file to its runs."""

from pathlib import Path

import pytest

from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.sweeps import sweep
from lesionkit.sweeps.sweep import read_sweep

SHIPPED = sorted(Path(sweep.__file__).parent.glob("*.yaml"))
GRID = """\
name: small
fixed: {protocol: demo, epochs: 2}
axes:
  dataset: [toy, kvasir]
  loss: [iou, dice]
  repeat: 0-1
"""


@pytest.fixture
def sweep_of(tmp_path):
    """Reads the sweep that this text describes."""

    def read(text):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return read_sweep(path)

    return read


def test_the_grid_runs_through_its_last_axis_first(sweep_of):
    configs = sweep_of(GRID).configs
    assert [(c.dataset, c.loss, c.repeat) for c in configs] == [
        ("toy", "iou", 0),
        ("toy", "iou", 1),
        ("toy", "dice", 0),
        ("toy", "dice", 1),
        ("kvasir", "iou", 0),
        ("kvasir", "iou", 1),
        ("kvasir", "dice", 0),
        ("kvasir", "dice", 1),
    ]


def test_what_is_fixed_holds_for_every_run(sweep_of):
    sweep = sweep_of(GRID)
    assert sweep.name == "small"
    assert {config.epochs for config in sweep.configs} == {2}


def test_a_sweep_without_a_name_is_called_like_its_file(sweep_of):
    assert sweep_of("axes: {loss: [iou]}").name == "grid"


def test_all_losses_are_the_ten_of_paper_a_in_its_order(sweep_of):
    configs = sweep_of("axes: {loss: all}").configs
    assert tuple(config.loss for config in configs) == PAPER_A_LOSSES


@pytest.mark.parametrize("text", ["0-4", "[0, 1, 2, 3, 4]"])
def test_a_range_is_both_ends_and_all_between(sweep_of, text):
    configs = sweep_of(f"axes: {{repeat: {text}}}").configs
    assert [config.repeat for config in configs] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001"])
def test_a_small_number_may_be_written_in_any_way(sweep_of, text):
    (config,) = sweep_of(f"axes: {{learning_rate: [{text}]}}").configs
    assert config.learning_rate == 1e-4


def test_the_same_run_twice_is_one_run(sweep_of):
    configs = sweep_of("axes: {loss: [iou, dice, iou], repeat: [0, 0]}").configs
    assert [config.loss for config in configs] == ["iou", "dice"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {loss: [iou, dise]}", "unknown loss 'dise'. Did you mean 'dice'"),
        ("axes: {model: [unett]}", "unknown model 'unett'. Did you mean 'unet'"),
        ("axes: {los: [iou]}", "unknown parameter 'los'. Did you mean 'loss'"),
        ("axes: {loss: [iou]}\nfix: {size: 96}", "unknown section .* mean 'fixed'"),
        ("axes: {repeat: 3-5}", "repeat must be 0 to 4, got 5"),
        ("axes: {loss: iou}", "axis loss must be a list .* got 'iou'"),
        ("axes: {model: all}", "axis model must be a list .* got 'all'"),
        ("axes: {repeat: 4-0}", "axis repeat must be a list .* got '4-0'"),
        ("axes: {loss: []}", r"axis loss must be a list of values .* got \[\]"),
        ("fixed: [iou]\naxes: {repeat: [0]}", "fixed must be a mapping, got"),
        ("fixed: {loss: iou}\naxes: {loss: [iou]}", "loss is both fixed and an axis"),
        ("fixed: {loss: iou}", "a sweep needs axes, a mapping"),
        ("- iou", "a sweep needs axes, a mapping"),
        ("", "a sweep needs axes, a mapping"),
        ("axes: {loss: [iou", "is not YAML"),
    ],
)
def test_a_sweep_that_cannot_be_run_is_refused_when_it_is_read(sweep_of, text, message):
    with pytest.raises(ValueError, match=message):
        sweep_of(text)


def test_a_value_of_another_type_is_refused_when_the_sweep_is_read(sweep_of):
    with pytest.raises(TypeError, match="epochs .* must be of type int, got 'many'"):
        sweep_of("fixed: {epochs: many}\naxes: {loss: [iou]}")


def test_a_sweep_file_that_is_not_there_is_told_as_a_full_path():
    with pytest.raises(FileNotFoundError, match=r"no sweep file at /.*/none\.yaml"):
        read_sweep("none.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_sweep_that_comes_with_the_kit_is_read_by_its_name(path):
    assert read_sweep(path.name) == read_sweep(path)


def test_a_misspelt_sweep_file_gets_the_nearest_that_comes_with_the_kit():
    with pytest.raises(FileNotFoundError, match="Did you mean study_small.yaml?"):
        read_sweep("study_smal.yaml")


def test_a_file_of_the_user_wins_over_one_that_comes_with_the_kit(
    tmp_path, monkeypatch
):
    (tmp_path / SHIPPED[0].name).write_text("name: mine\naxes: {loss: [iou]}")
    monkeypatch.chdir(tmp_path)
    assert read_sweep(SHIPPED[0].name).name == "mine"


def test_excluded_combinations_are_left_out(sweep_of):
    text = GRID + "exclude:\n  - {dataset: kvasir, loss: [dice, bce]}\n"
    configs = sweep_of(text).configs
    assert len(configs) == 6
    assert ("kvasir", "dice") not in {(c.dataset, c.loss) for c in configs}


def test_a_value_that_is_a_mapping_gives_several_parameters(sweep_of):
    text = "axes: {change: [{size: 32, learning_rate: 1e-4}, {size: 96}], repeat: 0-1}"
    configs = sweep_of(text).configs
    assert [(c.size, c.learning_rate, c.repeat) for c in configs] == [
        (32, 1e-4, 0),
        (32, 1e-4, 1),
        (96, None, 0),
        (96, None, 1),
    ]


def test_each_repeat_has_the_seed_of_its_place(sweep_of):
    configs = sweep_of("axes: {repeat: 0-1}\nseeds: [7, 9]").configs
    assert [(c.split_seed, c.init_seed) for c in configs] == [(7, 7), (9, 9)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("axes: {repeat: 0-2}\nseeds: [7, 9]", "repeat 2 has no seed: seeds has 2"),
        ("axes: {repeat: 0-1}\nseeds: 7", "seeds must be a list of whole numbers"),
        ("axes: {repeat: 0-1}\nexclude: [{repat: 1}]", "Did you mean 'repeat'"),
        ("axes: {repeat: 0-1}\nexclude: {repeat: 1}", "exclude must be a list of map"),
        ("axes: {repeat: [1]}\nexclude: [{repeat: 1}]", "exclude leaves out every run"),
        ("axes: {a: [{size: 32}], size: [64]}", "size is in two axes"),
        ("fixed: {size: 64}\naxes: {a: [{size: 32}]}", "size is both fixed and an"),
    ],
)
def test_a_part_of_a_sweep_that_fits_nothing_is_refused(sweep_of, text, message):
    with pytest.raises(ValueError, match=message):
        sweep_of(text)


@pytest.mark.parametrize(
    ("repeat", "kind", "message"),
    [
        ("one", TypeError, "repeat .* must be of type int"),
        (-3, ValueError, "0 or more"),
    ],
)
def test_a_repeat_that_is_none_is_refused_whatever_seeds_there_are(
    sweep_of, repeat, kind, message
):
    with pytest.raises(kind, match=message):
        sweep_of(f"axes: {{repeat: [{repeat}]}}\nseeds: [7, 9]")


def test_a_name_that_yaml_takes_for_a_number_is_text(sweep_of):
    assert sweep_of("name: 2024\naxes: {repeat: 0-1}").name == "2024"


def test_deviations_go_from_the_paper_to_its_rerun_one_setting_at_a_time():
    configs = read_sweep("deviations.yaml").configs
    first, *changed, last = [c.identity() for c in configs if c.repeat == 0]
    for other in changed:
        differs = {n for n in first if first[n] != other[n]}
        assert len(differs - {"alpha", "gamma", "focal_form", "alpha_form"}) == 1
    apart = {n for n in first if first[n] != last[n]} - {"protocol"}
    told = {n for other in changed for n in first if first[n] != other[n]}
    assert apart == told


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("axes: {los: [dice]}", ValueError),
        ("axes: {loss: dice}", ValueError),
        ("axes: {repeat: [a]}", TypeError),
    ],
)
def test_a_refusal_of_what_stands_in_a_sweep_file_names_the_file(
    sweep_of, tmp_path, text, kind
):
    with pytest.raises(kind) as caught:
        sweep_of(text)
    assert str(caught.value).startswith(f"{tmp_path / 'grid.yaml'}: ")


def test_a_sweep_file_that_is_not_text_is_refused_by_name(tmp_path):
    (tmp_path / "grid.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="grid.yaml is not YAML: "):
        read_sweep(tmp_path / "grid.yaml")


def test_a_folder_in_place_of_a_sweep_file_is_called_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"that is a folder"):
        read_sweep(tmp_path)
