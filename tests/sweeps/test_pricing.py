"""What the runs that are missing will cost."""

import pytest
from made_records import made_record

from lesionkit.config import RunConfig
from lesionkit.records import runs
from lesionkit.sweeps.pricing import price
from lesionkit.sweeps.sweep import Sweep

LARGE = {"variant": "smp_unet_resnet34"}  # 24,436,369 parameters of 4 bytes


@pytest.fixture
def two():
    """A sweep of two runs, dice and iou."""
    return Sweep("two", tuple(RunConfig(loss=n, **LARGE) for n in ("dice", "iou")))


def test_a_price_without_any_finished_run_guesses_no_hours(two):
    assert price(two) == (
        "weights of 2 runs: 0.2 GB\n"
        "2 of them: no finished run of this kind to price from"
    )


def test_a_price_takes_the_hours_of_finished_runs_of_the_same_kind(two):
    made_record(two.configs[0])  # 36 seconds: 0.01 hours
    assert price(two) == "weights of 1 runs: 0.1 GB\n1 of them: about 0.01 hours"


def test_another_data_set_has_no_price_from_this_one(two):
    made_record(two.configs[0])
    kvasir = RunConfig(loss="dice", dataset="kvasir", keep_weights="none", **LARGE)
    assert price(Sweep("mixed", (*two.configs, kvasir))) == (
        "weights of 2 runs: 0.1 GB\n"
        "1 of them: about 0.01 hours\n"
        "1 of them: no finished run of this kind to price from"
    )


@pytest.mark.parametrize(("kept", "gigabytes"), [("best", 0.2), ("half", 0.1)])
def test_a_price_counts_the_bytes_that_are_kept(kept, gigabytes):
    runs_of_unet = [
        RunConfig(loss=n, keep_weights=kept, **LARGE) for n in ("dice", "iou")
    ]
    told = price(Sweep("pair", tuple(runs_of_unet))).splitlines()[0]
    assert told == f"weights of 2 runs: {gigabytes} GB"


def test_a_price_of_another_data_set_comes_from_epochs_of_the_same_network():
    done = made_record(RunConfig(), sealed=False)
    sessions = [{"wall_seconds": 50.0, "epoch_seconds": 30.0}]
    runs.store_json(done, "environment", {"sessions": sessions})
    runs.finish(done)
    own = {"dataset": "kvasir", "keep_weights": "none", "size": 64, "epochs": 60}
    assert price(Sweep("other", (RunConfig(**own),))) == (
        "weights of 1 runs: 0.0 GB\n"
        "1 of them: at most 0.50 hours, from epochs of the same network and size on"
        " another data set"
    )
