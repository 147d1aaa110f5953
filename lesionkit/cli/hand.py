"""The commands that make of a run what can be handed on."""

from __future__ import annotations

from pathlib import Path

import click

from lesionkit.cli.console import show


@click.command()
@click.argument("record", type=Path)
@click.option("-o", "--output", type=Path, required=True, help="A folder for the file.")
@click.option("--format", default="onnx", show_default=True, help="Or torch: a .pt2.")
@click.option("--json", "as_json", is_flag=True, help="For a program to read.")
def export(record: Path, output: Path, format: str, as_json: bool) -> None:
    """A run's network as ONNX or .pt2, loaded again and compared with it."""
    from lesionkit.export.network import export_model

    made = export_model(record, output, format=format)
    if as_json:
        show([made.facts], True, upright=True)
        return
    check, asked = made.facts["check"], made.facts["input"]
    shape = " x ".join(map(str, asked["shape"]))
    facts = {
        "file": str(made.path.absolute()),
        "sha256": made.facts["sha256"],
        "in": f"{shape} {asked['dtype']}, {asked['layout']}, {asked['values']}",
        "out": "logits; lesion if >= 0",
        "compared on": f"{check['images']}: {check['images_of']}",
        "largest logit": check["largest_logit"],
        "difference": f"{check['largest_difference']:.1e} at most,"
        f" {check['allowed_difference']:.1e} allowed",
        "mask pixels": f"{check['pixels_that_differ']} of {check['pixels']} differ",
    }
    show([facts], False, upright=True)


@click.command()
@click.argument("record", type=Path)
@click.option("-o", "--output", type=Path, help="The card [default: printed].")
def card(record: Path, output: Path | None) -> None:
    """A model card of a run: data, split, scores with intervals, limits, licence."""
    from lesionkit.pages.card import model_card
    from lesionkit.records.files import write_bytes

    text = model_card(record)
    if output is None:
        click.echo(text, nl=False)
        return
    write_bytes(output, text.encode())
    click.echo(output.absolute())
