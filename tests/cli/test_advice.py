"""The commands plan and advise."""

import json

from made_commands import command as command
from made_commands import file as file


def test_plan_says_what_would_show_a_difference(command):
    result = command("plan", "public-rerun", "--difference", "0.002")
    assert result.code == 0
    assert result.out.startswith(
        "To tell 0.002 apart: more of several at once: 200 of one alone would not show "
        "0.0020.\n"
    )
    assert result.out.splitlines()[1].split() == [
        *"datasets models repeats runs power low high detectable enough".split()
    ]
    assert result.out.splitlines()[-1].startswith("None of these is sure enough. ")
    rows = json.loads(
        command("plan", "public-rerun", "--difference", "0.005", "--json").out
    )
    assert rows[0]["enough"] is True
    assert rows[0]["runs"] == 660


def test_advise_takes_a_pilot_or_a_published_place(command):
    pilot = command("advise", "public-rerun", "--only", "dataset=kvasir")
    assert pilot.code == 0
    assert pilot.out.startswith(
        "Take dicebce, the leader; it is not shown to be the best. No loss is supported"
    )
    found = json.loads(
        command("advise", "--like", "kvasir", "--model", "unet", "--json").out
    )
    assert found["sentence"].startswith("Going by the public re-run, for kvasir and")
    assert len(found["losses"]) == 10


def test_plan_takes_a_power_and_a_difference_above_1(command, file):
    lines = ["dataset,model,loss,repeat,dice"]
    scores = {"bce": (80.1, 80.4, 79.8), "iou": (81.2, 80.7, 81.1)}
    lines += [
        f"busi,unet,{loss},{r},{score}"
        for loss, row in scores.items()
        for r, score in enumerate(row)
    ]
    path = file("pilot.csv", "\n".join(lines))
    columns = ["--map", "dice=score", "--metric", "score", "--json"]
    asked = ["plan", path, *columns, "--difference", "2"]
    found = {
        power: json.loads(command(*asked, "--power", power).out)
        for power in ("0.5", "0.9")
    }
    enough = {
        power: sum(row["enough"] for row in rows) for power, rows in found.items()
    }
    assert enough["0.5"] > enough["0.9"]
    powers = [[row["power"] for row in rows] for rows in found.values()]
    assert powers[0] == powers[1]
