"""Ray as far as it needs no Ray: what is asked for, how many actors, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_worker import configs

from lesionkit.engines import ray as on_ray
from lesionkit.extras import install

WORKER_DEATH = """The actor died unexpectedly before finishing this task.
	class_name: Trainer
	pid: 24636
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR \
Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of \
file. Some common causes include: (1) the process was killed by the OOM killer"""
START_DEATH = """The actor died because of an error raised in its creation task, \
ray::Trainer.__init__() (pid=24786)
  File "made.py", line 10, in __init__
ImportError: no torch here"""


def test_without_ray_one_line_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(on_ray, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        on_ray.run_all(configs(1))
    assert str(caught.value) == f"engine ray needs the extra: {install('ray')}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"how": "workr"}, "unknown how 'workr'. Did you mean 'worker'"),
        ({"slots": 0}, "slots must be 1 or more, got 0"),
        ({"slots_per_gpu": 0}, "slots_per_gpu must be 1 or more, got 0"),
    ],
)
def test_wrong_options_are_refused_before_anything_starts(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        on_ray.run_all(configs(1), **options)


@pytest.mark.parametrize(
    ("nodes", "asked", "count", "takes"),
    [
        ([{"CPU": 4.0}, {"CPU": 3.0}], {}, 7, {"num_cpus": 1.0, "num_gpus": 0}),
        ([{"CPU": 4.0}], {"slots": 2}, 2, {}),
        ([{"CPU": 64.0}], {}, 9, {}),
        ([{}], {}, 1, {}),
        ([{"CPU": 4.0, "GPU": 2.0}], {}, 2, {"num_gpus": 1.0, "num_cpus": 0}),
        ([{"CPU": 4.0, "GPU": 1.0}], {"slots_per_gpu": 6}, 6, {"num_gpus": 0.1666}),
        ([{"CPU": 4.0, "GPU": 2.0}], {"on_gpu": False}, 4, {"num_gpus": 0}),
    ],
)
def test_there_are_as_many_actors_as_the_nodes_have_room_for(
    nodes: list[dict], asked: dict, count: int, takes: dict
) -> None:
    plain = {"at_most": 9, "on_gpu": True, "slots": None, "slots_per_gpu": 1}
    alive = [{"Alive": True, "Resources": node} for node in nodes]
    dead = {"Alive": False, "Resources": {"CPU": 9.0, "GPU": 9.0}}
    found, given = on_ray.room([*alive, dead], **(plain | asked))
    assert found == count
    assert given | takes == given


def test_a_death_is_told_in_one_sentence() -> None:
    assert on_ray.why(Exception(WORKER_DEATH)) == "its worker process has died"
    assert on_ray.why(Exception(START_DEATH)) == "ImportError: no torch here"
    assert on_ray.why(ValueError()) == "ValueError"


def test_a_node_that_does_not_see_the_data_folder_is_refused(
    monkeypatch, tmp_path: Path
) -> None:
    for name in ("LESIONKIT_DATA", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
    with pytest.raises(RuntimeError, match="on a disk that all nodes share"):
        on_ray.Trainer(lambda: print, "/away", log=str(tmp_path / "no"), on_gpu=False)
