"""What a run's parameters must be together: names, sides, heads, parts of a batch."""

from __future__ import annotations

from typing import Any

from lesionkit import lookup
from lesionkit.catalogue import DATASETS, DEFINITIONS, own, several_heads
from lesionkit.catalogue.protocols import PROTOCOLS
from lesionkit.config.places import prepared_names

Run = Any  # a RunConfig, whose file imports this one


def names(config: Run) -> None:
    """Refuse names the catalogue does not have."""
    loss = own.find_loss(config.loss)
    lookup.find("protocol", config.protocol, PROTOCOLS)
    model = own.find_model(config.model)
    for name, value in loss.options:
        if getattr(config, name) is not None:
            raise ValueError(
                f"{name} is {value} in the loss {config.loss}; do not set it"
            )
    if config.model_options and not own.is_own(config.model):
        raise ValueError(f"model_options is for your own network, not {config.model}")
    if config.variant is not None:
        lookup.find(f"variant of {config.model}", config.variant, model.variants)
    if config.definition is not None:
        lookup.find("definition", config.definition, DEFINITIONS)
    known = dict.fromkeys(name for name in DATASETS if name != "folder")
    known |= dict.fromkeys([] if config.dataset in known else prepared_names())
    if config.dataset not in known:
        said = lookup.unknown("dataset", config.dataset, known)
        how = f"lesionkit prepare {config.dataset} --raw DIR"
        raise lookup.UnknownName(f"{said} A set of your own is prepared first: {how}")


MEANS_OVER_PIXELS = {
    *("bce", "balanced_bce", "focal", "bcefocal", "poly1", "smoothed_bce"),
}


def open_values_of(config: Run) -> dict[str, Any]:
    """What the protocol sets, as far as the network has it.

    Of its own are the variant, the side that it takes, and whether there are weights.
    """
    protocol = PROTOCOLS[config.protocol]
    entry = own.find_model(config.model)
    variant = config.variant or protocol.variants.get(config.model, entry.default)
    network = entry.variants[variant]
    size = network.nearest(protocol.settings["size"])
    weights = protocol.settings["pretrained"] and network.pretrained is not None
    theirs = {"variant": variant, "size": size, "pretrained": weights}
    return protocol.settings | theirs


def network(config: Run) -> None:
    """Refuse what the network cannot do: a side, weights or heads it has not."""
    values = open_values_of(config)
    network = own.find_model(config.model).variants[values["variant"]]
    name = f"{config.model} ({values['variant']})"
    if config.size is not None and not network.takes(config.size):
        raise ValueError(
            f"{name} takes images with sides {network.sides}, and size is"
            f" {config.size}. Try -p size {network.nearest(config.size)}"
        )
    if config.pretrained and network.pretrained is None:
        variants = own.find_model(config.model).variants
        others = [n for n, each in variants.items() if each.pretrained]
        hint = f" -p variant {others[0]} has some, or" if others else ""
        raise ValueError(
            f"there are no pretrained encoder weights for {name}:"
            f"{hint} -p pretrained false"
        )
    if config.deep_supervision and network.heads == 1:
        raise ValueError(
            f"deep_supervision needs several heads, and {name} has one."
            f" With several: {', '.join(several_heads())}"
        )


def accumulate(config: Run) -> None:
    """Refuse to cut a batch for a loss whose parts do not add up to the whole.

    A network with batch normalisation is refused when it is built.
    """
    if (config.accumulate or 1) == 1:
        return
    named = config.definition or PROTOCOLS[config.protocol].settings["definition"]
    form = config.focal_form or DEFINITIONS[named].get("focal_form")
    has_focal = "focal" in (config.loss, *own.find_loss(config.loss).parts)
    means_first = has_focal and form == "meanfirst"
    if config.loss not in MEANS_OVER_PIXELS or means_first:
        raise ValueError(
            f"accumulate cuts a batch into parts, and the {config.loss} loss of parts"
            " is not that of the batch (batch sums, or a mean taken first). Losses that"
            f" are means over pixels: {', '.join(sorted(MEANS_OVER_PIXELS))};"
            " -p activation_checkpointing True saves memory with every loss"
        )


def graphed(config: Run) -> None:
    """Refuse a CUDA graph of a step that sets random states while it runs."""
    if config.graphed and config.activation_checkpointing:
        raise ValueError(
            "graphed and activation_checkpointing cannot both be on: computing"
            " activations again sets the random state, which no CUDA graph can hold."
            " -p graphed false, or -p activation_checkpointing false"
        )
