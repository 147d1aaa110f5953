"""Each network learns four toy images by heart, so none is dead."""

import pytest
import torch
from every_model import DEFAULTS, facts, seeded

from lesionkit import masks, metrics
from lesionkit.losses import build_loss
from lesionkit.prepared.preparing import open_data

# the first images of the toy set with lesions of more than a fifth: two of skin, one of
# endoscopy, one of ultrasound
FOUR = [1, 80, 119, 258]
# logits at stride 8 cannot follow an outline at 64 x 64
SIDES = {"caranet": 128, "colonformer": 128, "fatnet": 224}
LIGHT = set("enet esfpnet emcadnet segnet unetplusplus colonsegnet ducknet".split())
MARKS = {True: pytest.mark.slow, False: pytest.mark.long}


def four_images(side):
    """Images (4, 3, side, side) in [0, 1] and their masks (4, 1, side, side)."""
    data = open_data("toy", side, resize="bilinear")
    image = torch.from_numpy(data.images[FOUR]).permute(0, 3, 1, 2).float() / 255
    return image, torch.from_numpy(data.masks[FOUR])[:, None].float()


def current_statistics(model, image):
    """Set every running statistic to that of these images.

    DUCK-Net's keep 0.99 of themselves a step and lag hundreds of steps behind.
    """
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    model.train()(image)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


@pytest.mark.parametrize(
    ("name", "variant"),
    [pytest.param(*pair, marks=MARKS[pair[0] in LIGHT]) for pair in DEFAULTS],
)
def test_four_toy_images_are_learnt_by_heart(name, variant):
    image, mask = four_images(SIDES.get(name, facts(name, variant).nearest(64)))
    model, loss = seeded(name, variant), build_loss("ioubce")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    best = 0.0
    for step in range(1, 301):
        optimizer.zero_grad()
        loss(model.train()(image), mask).backward()
        optimizer.step()
        if step % 20 == 0 and best <= 0.95:
            with torch.no_grad():
                if name == "ducknet":
                    current_statistics(model, image)
                predicted = masks.probability_mask(model.eval()(image))
            found = metrics.scores(metrics.counts(predicted, mask), aggregation="image")
            best = max(best, found["dice"])
        if best > 0.95:
            break
    assert best > 0.95
