"""The commands plan and advise."""

import json

from made_commands import command as command
from made_commands import file as file


def test_plan_says_what_would_show_a_difference(command):
    result = command("plan", "public-rerun", "--difference", "0.002")
    assert result.code == 0
    assert result.out.startswith(
        "To show a difference of 0.002: more data sets, networks and repeats together: "
        "200 of one of them alone would not show a difference of 0.0020.\n"
    )
    assert result.out.splitlines()[1].split() == [
        *"datasets models repeats runs power low high detectable enough".split()
    ]
    assert result.out.splitlines()[-1].startswith("None of these is sure enough. ")
    rows = json.loads(
        command("plan", "public-rerun", "--difference", "0.005", "--json").out
    )
    assert [rows[0][name] for name in ("datasets", "models", "repeats")] == [6, 11, 5]
    assert rows[0]["enough"] is False
    assert [row["enough"] for row in rows if row["datasets"] == 10] == [True]
    assert rows[0]["runs"] == 6 * 11 * 5 * 10


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


PILOT = """\
dataset,model,loss,repeat,dice,hd95
busi,unet,bce,0,0.8,80.1
busi,unet,bce,1,0.8,80.4
busi,unet,bce,2,0.8,79.8
busi,unet,iou,0,0.8,81.2
busi,unet,iou,1,0.8,80.7
busi,unet,iou,2,0.8,81.1
"""


def test_plan_takes_a_power_and_a_difference_above_1(command, file):
    asked = ["plan", file("pilot.csv", PILOT), "--metric", "hd95", "--difference", "2"]
    found = {
        power: json.loads(command(*asked, "--power", power, "--json").out)
        for power in ("0.5", "0.85")
    }
    for power, rows in found.items():
        enough = [row["enough"] for row in rows]
        assert enough == [row["power"] >= float(power) for row in rows]
    powers = [[row["power"] for row in rows] for rows in found.values()]
    assert powers[0] == powers[1]
    told = command(*asked, "--power", "0.5").out.splitlines()[0]
    assert told == (
        "To show a difference of 2: no more runs are needed: a study of this size "
        "(1 data set, 1 network, 3 repeats) shows a difference of 2.0000 with "
        "probability 0.5."
    )
