"""One small table of runs in every form that people write, made here."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable

import pandas as pd

SETS, MODELS, LOSSES = ("kvasir", "busi", "wound"), ("unet", "fcn"), ("bce", "dice")
HEAD = ["dataset", "model", "loss", "repeat", "dice", "iou"]


def runs() -> pd.DataFrame:
    """3 data sets x 2 networks x 2 losses x 2 repeats; dice is 0.02 ahead of bce."""
    rows = [
        (
            d,
            m,
            loss,
            r,
            0.7 + 0.05 * i + 0.01 * j + 0.02 * k + 0.003 * r,
            0.6 + 0.01 * k,
        )
        for i, d in enumerate(SETS)
        for j, m in enumerate(MODELS)
        for k, loss in enumerate(LOSSES)
        for r in range(2)
    ]
    return pd.DataFrame(rows, columns=HEAD).round(4)


def cells() -> pd.DataFrame:
    """The means of its cells, a column a loss."""
    means = runs().groupby(["dataset", "model", "loss"], sort=False)["dice"].mean()
    return means.unstack().reset_index().round(4)  # noqa: PD010


def text(sep: str = ",", head: list[str] | None = None, **how: object) -> str:
    """The runs as a CSV."""
    table = runs().set_axis(head or HEAD, axis=1)
    return table.to_csv(index=False, sep=sep, **how)


def markdown(table: pd.DataFrame) -> str:
    """A frame as a table of Markdown."""
    rows = [
        list(table.columns),
        ["---"] * len(table.columns),
        *table.to_numpy().tolist(),
    ]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def latex(table: pd.DataFrame) -> str:
    """A frame as a tabular of LaTeX."""
    rows = [list(table.columns), *table.to_numpy().tolist()]
    body = "\n".join(" & ".join(map(str, row)) + r" \\" for row in rows)
    spec = r"{@{}l" + "c" * (len(table.columns) - 1) + "@{}}"
    lines = [rf"\begin{{tabular}}{spec}", r"\toprule", body, r"\bottomrule"]
    return "\n".join([*lines, r"\end{tabular}"])


def excel(table: pd.DataFrame) -> bytes:
    """A frame as a workbook."""
    out = io.BytesIO()
    table.to_excel(out, index=False)
    return out.getvalue()


def drawn() -> str:
    """The runs between lines, as a terminal shows them."""
    rows = [HEAD, *runs().astype(str).to_numpy().tolist()]
    line = "+----------" * len(HEAD) + "+"
    body = ["| " + " | ".join(cell.ljust(8) for cell in row) + " |" for row in rows]
    return "\n".join([line, body[0], line, *body[1:], line])


KOREAN = ["데이터셋", "모델", "손실함수", "반복", "다이스", "IoU"]
CHINESE = ["数据集", "模型", "损失函数", "重复", "Dice系数", "交并比"]
GERMAN = ["Datensatz", "Modell", "Verlust", "Wiederholung", "Dice (%)", "Präzision"]
RUSSIAN = ["Датасет", "Модель", "Функция потерь", "Повтор", "Dice", "IoU"]
WANDB = [
    *("config/dataset", "config/model", "config/loss", "config/seed"),
    *("summary.test/dice", "summary.test/iou"),
]
MLFLOW = [
    *("params.dataset", "params.model", "params.loss", "params.seed"),
    *("metrics.dice", "metrics.iou"),
]


def _with_junk() -> str:
    """A title, a blank row, names again, a copy and a row of means."""
    lines = text().splitlines()
    return "\n".join(
        ["Table 2. Results,,,,,", *lines[:5], "", lines[0], *lines[5:], lines[1]]
        + ["Average,,,,0.75,0.6"]
    )


def _by_id() -> str:
    """An export with an id a run beside its seed."""
    table = runs().set_axis(MLFLOW, axis=1)
    table.insert(0, "run_id", [f"{i:032x}" for i in range(len(table))])
    return table.assign(status="FINISHED").to_csv(index=False)


def _as_script() -> str:
    """What W&B's own script writes: a dict a column."""
    rows = runs().to_dict("records")
    return pd.DataFrame(
        {
            "summary": [str({"test_dice": r["dice"], "_step": 3}) for r in rows],
            "config": [
                str({n: r[n] for n in HEAD[:3]} | {"seed": r["repeat"]}) for r in rows
            ],
            "name": [f"swift-sun-{i}" for i in range(len(rows))],
        }
    ).to_csv()


# name of the file, and what makes its bytes
FORMS: dict[str, Callable[[], bytes | str]] = {
    "commas.csv": text,
    "semicolons.csv": lambda: text(";"),
    "comma_decimal.csv": lambda: text(";", decimal=","),
    "quoted_decimal.csv": lambda: text(decimal=","),
    "tabs.tsv": lambda: text("\t"),
    "bars.csv": lambda: text("|"),
    "bom.csv": lambda: text().encode("utf-8-sig"),
    "utf16.txt": lambda: text("\t").encode("utf-16"),
    "old_mac.csv": lambda: text().replace("\n", "\r"),
    "packed.csv.gz": lambda: gzip.compress(text().encode()),
    "korean.csv": lambda: text(head=KOREAN),
    "korean_cp949.csv": lambda: text(head=KOREAN).encode("cp949"),
    "chinese_gbk.csv": lambda: text(head=CHINESE).encode("gbk"),
    "german_cp1252.csv": lambda: text(";", GERMAN).encode("cp1252"),
    "russian_cp1251.csv": lambda: text(";", RUSSIAN).encode("cp1251"),
    "wandb.csv": lambda: text(head=WANDB),
    "wandb_script.csv": _as_script,
    "mlflow.csv": _by_id,
    "index.csv": lambda: runs().to_csv(),
    "junk.csv": _with_junk,
    "x.xlsx": lambda: excel(runs()),
    "records.json": lambda: runs().to_json(orient="records"),
    "columns.json": lambda: runs().to_json(),
    "split.json": lambda: runs().to_json(orient="split"),
    "lines.jsonl": lambda: runs().to_json(orient="records", lines=True),
    "long.md": lambda: f"# Ours\n\n{markdown(runs())}\n\nText.",
    "long.tex": lambda: latex(runs()),
    "drawn.txt": drawn,
    "melted.csv": lambda: runs().melt(HEAD[:4], HEAD[4:], "metric", "value").to_csv(),
    "wide.csv": lambda: cells().to_csv(index=False),
    "wide.md": lambda: markdown(cells()),
    "wide.tex": lambda: latex(cells()),
    "wide.xlsx": lambda: excel(cells()),
    "percent.csv": lambda: runs().assign(dice=runs().dice * 100).to_csv(index=False),
    "signs.csv": lambda: (
        runs()
        .assign(dice=[f"{100 * v:.2f} %" for v in runs().dice])
        .to_csv(index=False)
    ),
    "bold.csv": lambda: runs().assign(dice=[f"**{v}**" for v in runs().dice]).to_csv(),
}


def nnunet(score: float, cases: int = 12) -> str:
    """A summary.json with one label."""
    found = [
        {
            "metrics": {"0": {"Dice": 0.99}, "1": {"Dice": score + 0.001 * i, "TP": 3}},
            "reference_file": f"labels/case{i}.nii.gz",
        }
        for i in range(cases)
    ]
    return json.dumps({"foreground_mean": {"Dice": score}, "metric_per_case": found})
