"""A grid in a YAML file to the runs that are still missing."""

from pathlib import Path

import pytest
from made_records import made_record

from lesionkit import sweep
from lesionkit.catalogue import PAPER_A_LOSSES
from lesionkit.config import RunConfig
from lesionkit.runs import state
from lesionkit.sweep import Sweep, price, read_sweep, run_sweep

SHIPPED = sorted((Path(sweep.__file__).parent / "sweeps").glob("*.yaml"))
GRID = """\
name: small
fixed: {protocol: demo, epochs: 2}
axes:
  dataset: [toy, kvasir]
  loss: [iou, dice]
  repeat: 0-1
"""


def disk_full(config):
    """An engine that fails on the way."""
    made_record(config, sealed=False)
    raise OSError("no space left")


@pytest.fixture
def sweep_of(tmp_path):
    """Reads the sweep that this text describes."""

    def read(text):
        path = tmp_path / "grid.yaml"
        path.write_text(text)
        return read_sweep(path)

    return read


@pytest.fixture
def two():
    """A sweep of two runs, dice and iou."""
    return Sweep("two", (RunConfig(loss="dice"), RunConfig(loss="iou")))


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
        ("fixed: {loss: iou}", "a sweep is a mapping with axes"),
        ("- iou", "a sweep is a mapping with axes"),
        ("", "a sweep is a mapping with axes"),
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
    with pytest.raises(FileNotFoundError, match="Did you mean small_study.yaml?"):
        read_sweep("smal_study.yaml")


def test_a_file_of_the_user_wins_over_one_that_comes_with_the_kit(
    tmp_path, monkeypatch
):
    (tmp_path / SHIPPED[0].name).write_text("name: mine\naxes: {loss: [iou]}")
    monkeypatch.chdir(tmp_path)
    assert read_sweep(SHIPPED[0].name).name == "mine"


def test_a_run_is_missing_then_unfinished_then_done():
    config = RunConfig(loss="dice")
    assert state(config.folder) == "missing"
    made_record(config, sealed=False)
    assert state(config.folder) == "unfinished"
    made_record(config)
    assert state(config.folder) == "done"


def test_a_record_that_lost_a_file_is_not_done(two):
    (made_record(two.configs[0]) / "metrics.json").unlink()
    assert state(two.configs[0].folder) == "unfinished"


def test_what_is_done_is_not_missing(two):
    made_record(two.configs[0])
    assert two.missing() == [two.configs[1]]
    assert list(two.states()["state"]) == ["done", "missing"]
    assert list(two.states()["loss"]) == ["dice", "iou"]


def test_a_sweep_runs_what_is_missing_and_nothing_else(two):
    made_record(two.configs[0])
    executed = []
    failures = run_sweep(two, lambda c: executed.append(made_record(c)))
    assert executed == [two.configs[1].folder]
    assert failures == {}


def test_a_run_that_fails_is_reported_and_stops_no_other(two):
    engines = {"dice": disk_full, "iou": made_record}
    lines = []
    failures = run_sweep(two, lambda c: engines[c.loss](c), report=lines.append)
    assert list(failures) == [two.configs[0].run_id]
    assert lines == [
        f"failed: {two.configs[0].run_id}: no space left",
    ]
    assert [state(config.folder) for config in two.configs] == ["unfinished", "done"]


def test_the_reason_of_a_failure_is_the_last_line_of_its_error(two):
    def execute(config):
        raise RuntimeError("In [3]:\n  cell\nValueError: what it was\n")

    failures = run_sweep(two, execute, report=lambda line: None)
    assert set(failures.values()) == {"ValueError: what it was"}


def test_an_error_without_text_is_reported_by_its_type(two):
    def execute(config):
        raise KeyError

    failures = run_sweep(two, execute, report=lambda line: None)
    assert set(failures.values()) == {"KeyError"}


def test_an_engine_that_leaves_no_record_has_failed(two):
    failures = run_sweep(two, lambda c: None, report=lambda line: None)
    assert set(failures.values()) == {"the engine ended without a finished record"}


def test_nobody_can_stop_a_sweep_but_the_user(two):
    def execute(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(two, execute)


def test_a_price_without_any_finished_run_guesses_no_hours(two):
    # U-Net with ResNet-34: 24,436,369 parameters of 4 bytes, twice
    assert price(two) == (
        "weights of 2 runs: 0.2 GB\n"
        "2 of them: no finished run of this kind to price from"
    )


def test_a_price_takes_the_hours_of_finished_runs_of_the_same_kind(two):
    made_record(two.configs[0])  # 36 seconds: 0.01 hours
    assert price(two) == "weights of 1 runs: 0.1 GB\n1 of them: about 0.01 hours"


def test_another_data_set_has_no_price_from_this_one(two):
    made_record(two.configs[0])
    kvasir = RunConfig(loss="dice", dataset="kvasir", keep_weights="none")
    assert price(Sweep("mixed", (*two.configs, kvasir))) == (
        "weights of 2 runs: 0.1 GB\n"
        "1 of them: about 0.01 hours\n"
        "1 of them: no finished run of this kind to price from"
    )
