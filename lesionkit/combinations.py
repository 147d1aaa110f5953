"""What a protocol fills in for a run, and combinations that do not exist.

Every `config` here is a RunConfig, which checks itself with these.
"""

from __future__ import annotations

from typing import Any

from lesionkit.catalogue import DEFINITIONS, LOSSES, MODELS, several_heads
from lesionkit.protocols import PROTOCOLS

MEANS_OVER_PIXELS = {"bce", "balanced_bce", "focal", "bcefocal"}


def open_values_of(config: Any) -> dict[str, Any]:
    """What the protocol sets, with the variant and the side that the network takes."""
    protocol = PROTOCOLS[config.protocol]
    entry = MODELS[config.model]
    variant = config.variant or protocol.variants.get(config.model, entry.default)
    size = entry.variants[variant].nearest(protocol.settings["size"])
    return {**protocol.settings, "variant": variant, "size": size}


def check_network(config: Any) -> None:
    """Refuse what the network cannot do: a side, or heads it has not."""
    values = open_values_of(config)
    network = MODELS[config.model].variants[values["variant"]]
    name = f"{config.model} ({values['variant']})"
    if config.size is not None and not network.takes(config.size):
        raise ValueError(
            f"{name} takes images with sides {network.sides}, and size is"
            f" {config.size}. Try -p size {network.nearest(config.size)}"
        )
    if config.deep_supervision and network.heads == 1:
        raise ValueError(
            f"deep_supervision needs several heads, and {name} has one."
            f" With several: {', '.join(several_heads())}"
        )


def check_accumulate(config: Any) -> None:
    """Refuse to cut a batch for a loss whose parts do not add up to the whole.

    A network with batch normalisation is refused when it is built.
    """
    if (config.accumulate or 1) == 1:
        return
    named = config.definition or PROTOCOLS[config.protocol].settings["definition"]
    form = config.focal_form or DEFINITIONS[named].get("focal_form")
    has_focal = "focal" in (config.loss, *LOSSES[config.loss].parts)
    means_first = has_focal and form == "meanfirst"
    if config.loss not in MEANS_OVER_PIXELS or means_first:
        raise ValueError(
            f"accumulate cuts a batch into parts, and the {config.loss} loss of parts"
            " is not that of the batch (batch sums, or a mean taken first). Losses that"
            f" are means over pixels: {', '.join(sorted(MEANS_OVER_PIXELS))};"
            " -p activation_checkpointing True saves memory with every loss"
        )


def check_graphed(config: Any) -> None:
    """Refuse a CUDA graph of a step that sets random states while it runs."""
    if config.graphed and config.activation_checkpointing:
        raise ValueError(
            "graphed and activation_checkpointing cannot both be on: computing"
            " activations again sets the random state, which no CUDA graph can hold."
            " -p graphed false, or -p activation_checkpointing false"
        )
