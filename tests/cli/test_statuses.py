"""Exit status 2 for wrong arguments, 1 for what lies on the disk; always one line."""

import shlex

import pytest
from made_commands import command as command
from PIL import Image

from lesionkit.cli import main  # noqa: F401 - imported once, outside the first test

HEAD = "dataset,model,loss,repeat,dice\n"
CELLS = [
    (s, loss, r, dice + r / 100)
    for s in "ab"
    for loss, dice in (("x", 0.5), ("y", 0.6))
    for r in range(3)
]
FILES = {
    "good.csv": HEAD + "".join(f"{s},u,{n},{r},{d:.2f}\n" for s, n, r, d in CELLS),
    "empty.csv": "",
    "blank.csv": "\n\n , \n",
    "head.csv": HEAD,
    "words.csv": HEAD + "a,u,x,0,good\na,u,y,0,bad\n",
    "outside.csv": HEAD + "a,u,x,0,0.5\na,u,y,0,17\n",
    "noloss.csv": "dataset,model,repeat,dice\na,u,0,0.5\na,u,1,0.6\n",
    "nodice.csv": "dataset,model,loss,repeat,iou\na,u,x,0,0.5\na,u,y,0,0.6\n",
    "oneloss.csv": HEAD + "a,u,x,0,0.5\na,u,x,1,0.6\n",
    "single.csv": HEAD + "a,u,x,0,0.5\na,u,y,0,0.6\n",
    "apart.csv": HEAD + "a,u,x,0,0.5\nb,u,y,0,0.6\n",
    "twice.csv": HEAD + "a,u,x,0,0.5\na,u,x,0,0.6\na,u,y,0,0.6\n",
    "mixed.csv": f"size,{HEAD}96,a,u,x,0,0.5\n224,a,u,y,0,0.6\n",
    "bad.yaml": "a: [1, 2\nb: {",
    "list.yaml": "- 1\n",
    "nothing.yaml": "",
    "axis.yaml": "axis: {loss: [dice]}\n",
    "fixed.yaml": "fixed: {protocl: demo}\naxes: {loss: [dice]}\n",
    "value.yaml": "axes: {loss: [dcie]}\n",
    "type.yaml": "axes: {epochs: [two]}\n",
    "exclude.yaml": "axes: {loss: [dice]}\nexclude: [{los: dice}]\n",
    "seeds.yaml": "axes: {repeat: 0-3}\nseeds: [1]\n",
    "grid.yaml": "axes: {loss: [dice, iou]}\n",
    "key.yaml": "claim: y is the best\nmetrc: dice\n",
    "noclaim.yaml": "metric: dice\n",
    "seven.yaml": "claim: 7\n",
    "wide.yaml": "claim: y is the best\nmargin: wide\n",
    "many.yaml": "claim: y is the best\nrepeats: many\n",
    "claim.yaml": "claim: y is the best\n",
    "mine.py": "class Mine:\n    def __init__(self, a):\n        self.a = a\n",
    "broken.py": "def (:\n",
    "file": "no folder",
    "half/config.json": "{",
    "pairs/images/note.txt": "no image",
}

REFUSED = """
2 | train -p dataset my_sett               | lesionkit prepare my_sett --raw DIR
2 | train -p los dice                       | unknown parameter 'los'. Did you mean
2 | train -p loss mine.py:Nope              | mine.py has no 'Nope'. Did you mean
2 | train -p loss mine.py                   | 'mine.py' is a file: add the name of the
1 | train -p loss nine.py:Mine              | loss: no file nine.py. Did you mean
1 | train -p loss broken.py:X               | broken.py cannot be run: SyntaxError
1 | train -p loss nolibrary:X               | no installed library has 'nolibrary'; of a
1 | train -p dataset kvasir                 | Fill it with: lesionkit prepare kvasir
2 | check dcie                              | unknown loss 'dcie'. Did you mean 'dice'?
2 | check mine.py                           | 'mine.py' is a file: add the name of the
2 | check mine.py:Mien                      | mine.py has no 'Mien'. Did you mean
2 | check mine.py:Mine --options '{"b":1}'  | unknown option of mine.py:Mine 'b'. One
2 | check dice --options '{"alpha":0.3}'    | loss 'dice' has no use for alpha
2 | check dice --options '{bad'             | --options must be JSON such as
1 | check nine.py:Mine                      | loss: no file nine.py. Did you mean
1 | check broken.py:X                       | broken.py cannot be run: SyntaxError
1 | check mine.py:Mine                      | missing 1 required positional argument:
1 | sweep gird.yaml                         | no sweep file at gird.yaml
1 | sweep empty                             | no sweep file at empty (that is a folder)
1 | sweep bad.yaml                          | bad.yaml is not YAML:
1 | sweep garbled                           | garbled is not YAML:
1 | sweep list.yaml                         | list.yaml: a sweep needs axes, a mapping
1 | sweep nothing.yaml                      | nothing.yaml: a sweep needs axes, a
1 | sweep axis.yaml                         | unknown section 'axis'. Did you mean
1 | sweep fixed.yaml                        | 'protocl'. Did you mean 'protocol'?
1 | sweep value.yaml                        | value.yaml: unknown loss 'dcie'. Did you
1 | sweep type.yaml                         | type.yaml: epochs (train for at most so
1 | sweep exclude.yaml                      | unknown parameter 'los'. Did you mean
1 | sweep seeds.yaml                        | seeds.yaml: repeat 1 has no seed: seeds
2 | sweep grid.yaml --engine locl           | unknown engine 'locl'. Did you mean
2 | sweep grid.yaml --timeout -5            | '--timeout': -5.0 is not in the range x>0
2 | sweep grid.yaml --records ss3://x       | unknown scheme 'ss3' in ss3://x. Did you
1 | status value.yaml                       | value.yaml: unknown loss 'dcie'. Did you
1 | status gird.yaml                        | no sweep file at gird.yaml
2 | status ss3://x                          | unknown scheme 'ss3' in ss3://x. Did you
2 | status --figure a.png                   | --figure needs a sweep file
2 | status grid.yaml --figure a.jpg         | must end in .svg, .pdf or .png, got
2 | fetch kvazir                            | unknown data set 'kvazir'. Did you mean
2 | prepare kvazir                          | unknown data set 'kvazir'. Did you mean
2 | prepare toy --size 4                    | '--size': 4 is not in the range x>=8
2 | prepare 'My Set' --raw pairs            | needs a name of its own, of small letters
1 | prepare kvasir                          | no raw folder
1 | prepare kvasir --raw nowhere            | no raw folder nowhere for data set
1 | prepare kvasir --raw file               | no raw folder file (that is a file: unpack
1 | prepare mine --raw empty                | mine: no images with masks in empty: it is
1 | prepare mine --raw pairs                | mine: no images with masks in pairs
2 | inspect toy --against kvazir            | unknown data set 'kvazir'. Did you mean
1 | inspect toy --against kvasir=nowhere    | no raw folder nowhere for data set
1 | inspect mine --raw empty                | mine: no images with masks in empty: it is
1 | rank goood.csv                          | no table at goood.csv. Did you mean
1 | rank public-reruns                      | Did you mean public-rerun?
1 | rank empty                              | no finished run record below empty. Make
1 | rank half                               | no finished run record below half. Make
1 | rank empty.csv                          | empty.csv: the file is empty: no table
1 | rank blank.csv                          | blank.csv: no row below the names of the
1 | rank garbled                            | garbled: no table that can be read: this
1 | rank head.csv                           | head.csv: no row below the names of the
1 | rank words.csv                          | words.csv: dice is no number in lines 2, 3
1 | rank outside.csv                        | outside.csv: dice outside [0, 1] in line 3
1 | rank noloss.csv                         | noloss.csv: no column for 'loss'
1 | rank nodice.csv                         | nodice.csv: unknown metric 'dice': the
2 | rank nodice.csv --metric dcie           | unknown metric 'dcie': the table has no
2 | rank good.csv --metric repeat           | repeat describes a run and is no score.
1 | rank oneloss.csv                        | two losses with half of their cells or
1 | rank apart.csv                          | x and y share no data set and model
1 | rank twice.csv                          | different results for dataset a, model u,
1 | rank mixed.csv                          | differ in size (96, 224) and are not
1 | rank good.csv --percent                 | dice is not in percent as --percent says
1 | rank good.csv --mixed                   | the mixed model needs two data sets
2 | rank ss3://x                            | unknown scheme 'ss3' in ss3://x. Did you
2 | rank good.csv --map dice                | expected NAME=VALUE, got 'dice'
2 | rank good.csv --map nope=dice           | unknown column of the file 'nope'. One of:
2 | rank good.csv --set nope=1              | unknown name to set 'nope'. One of:
2 | rank good.csv --only dataset            | expected NAME=VALUE, got 'dataset'
2 | rank good.csv --only datset=a           | unknown column 'datset'. Did you mean
2 | rank good.csv --only dataset=q          | no run has dataset=q. dataset is one of:
1 | rank good.csv --registered gone.yaml    | no file gone.yaml; it needs a line such as
1 | rank good.csv --registered claim.yaml   | run: lesionkit register claim.yaml
1 | register bad.yaml                       | bad.yaml is not YAML:
1 | register empty                          | no file empty; it needs a line such as
1 | register noclaim.yaml                   | noclaim.yaml: a claim is needed, such as
1 | register key.yaml                       | key.yaml: unknown key 'metrc'. Did you
1 | register seven.yaml                     | seven.yaml: claim must be a text, got 7
1 | register wide.yaml                      | margin must be a number above 0, got
1 | register many.yaml                      | repeats must be a whole number from 1, got
1 | claims empty.csv                        | empty.csv: the file is empty: no table
2 | claims good.csv --paper C               | 'C' is not one of 'A', 'B'
1 | audit gone.csv                          | no table at gone.csv
1 | audit empty.csv                         | empty.csv: the file is empty: no table
2 | audit empty                             | empty is a folder or URL of run records
2 | audit good.csv --map nope=dice          | unknown column of the file 'nope'. One of:
2 | luck 0.5 60 --images 10                 | 0.5 and 60 are in two units
2 | luck 0.5 0.6 --images 10 --like kvazir  | 'kvazir'. Did you mean 'kvasir'?
1 | plan single.csv --difference 0.01       | a pilot needs two repeats or more in every
2 | plan good.csv                           | Missing option '--difference'
2 | advise                                  | give a table or folder of your own runs
2 | advise --like kvazir                    | unknown data set 'kvazir'. Did you mean
1 | advise empty.csv                        | empty.csv: the file is empty: no table
2 | report good.csv --form svgg             | 'svgg' is not one of 'svg', 'pdf', 'png'
1 | report noloss.csv                       | noloss.csv: no column for 'loss'
1 | thresholds good.csv                     | good.csv is neither a folder of run
1 | thresholds empty                        | no finished run record below empty. Make
2 | thresholds --only dataset=toy           | chooses among run records, and
2 | thresholds --image smalest              | unknown image 'smalest'. Did you mean
1 | predict half ok -o out                  | half is no finished run (no file DONE)
2 | predict half ok -o ok                   | ok holds the images; name another folder
2 | predict half ok -o out --rule otsuu     | unknown rule 'otsuu'. Did you mean 'otsu'?
2 | predict half ok -o out --device cudaa   | unknown device 'cudaa'. Did you mean
1 | browse empty                            | no finished run record at or below empty
1 | browse nowhere                          | no finished run record at or below nowhere
1 | export nowhere -o out                   | nowhere is no finished run (no file DONE)
2 | export half -o out --format onx         | unknown format 'onx'. Did you mean 'onnx'?
1 | card half                               | half is no finished run (no file DONE)
1 | cite words.csv                          | words.csv: dice is no number in lines 2, 3
1 | notebooks file                          | file is a file; name a folder
2 | notebooks                               | Missing argument 'FOLDER'
2 | doctor now                              | unexpected extra argument
"""
ROWS = [[c.strip() for c in row.split(" | ")] for row in REFUSED.strip().splitlines()]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with every file that is refused."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "garbled").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "empty").mkdir()
    (tmp_path / "ok").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "ok" / "a.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("status", "line", "said"), ROWS, ids=[r[1] for r in ROWS])
def test_what_is_refused_has_its_status_and_one_line(here, command, status, line, said):
    result = command(*shlex.split(line))
    told = result.err.replace(f"{here}/", "")
    assert (result.code, said in told) == (int(status), True), told
    assert told.startswith("lesionkit: ")
    assert len(told.splitlines()) == 1
    assert "Traceback" not in told


def test_every_command_that_takes_an_argument_is_in_the_table(command):
    """The others have nothing that could be refused but an option."""
    from lesionkit.cli import cli

    given = {line.split()[0] for _, line, _ in ROWS}
    assert set(cli.commands) - given == {"datasets", "models", "losses", "parameters"}
