"""A forward check that needs no reference code.

Every parameter is filled by a rule that looks at its shape and, for 1-D tensors, at
whether it is a bias; the input is a fixed pattern; each output is reduced to a few
numbers. Two networks with equal shapes and equal graphs then give equal numbers to
rounding, whatever their attributes are called and in whatever order they stand.

    2-D and more: uniform by a 64-bit hash of (flat index, shape), variance 2 / fan with
                  fan = numel / shape[0]; 0.25 for 3-D tensors with shape[0] == 1
    1-D:          0 where the name has "bias" or "beta", 0.25 for PReLU, 1 otherwise
    BatchNorm:    no running statistics, so the batch's count in eval mode too

What it cannot see: dropout, initial weights, momentum and running statistics, which of
several heads is the main one, two tensors of one shape swapped.
"""

import math
from collections import Counter

import numpy as np
import torch
from torch import nn

MASK = (1 << 64) - 1
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def _mix(z):
    z = (z + GOLDEN) & MASK
    z = ((z ^ (z >> 30)) * FIRST) & MASK
    z = ((z ^ (z >> 27)) * SECOND) & MASK
    return z ^ (z >> 31)


def _seed(shape, salt=0):
    z = _mix(salt + len(shape))
    for side in shape:
        z = _mix(z ^ int(side))
    return z


def _uniform(count, seed, chunk=1 << 18):
    """`count` float64 values in [-1, 1), a function of index and seed alone."""
    values = np.empty(count)
    with np.errstate(over="ignore"):
        for start in range(0, count, chunk):  # small enough to stay in the cache
            stop = min(count, start + chunk)
            z = np.arange(start, stop, dtype=np.uint64)
            z *= np.uint64(GOLDEN)
            z += np.uint64(seed)
            z ^= z >> np.uint64(30)
            z *= np.uint64(FIRST)
            z ^= z >> np.uint64(27)
            z *= np.uint64(SECOND)
            z ^= z >> np.uint64(31)
            values[start:stop] = (z >> np.uint64(11)) * (2.0 / (1 << 53)) - 1.0
    return values


def _value(shape):
    count = math.prod(shape)
    flat = len(shape) == 3 and shape[0] == 1
    scale = 0.5 if flat else math.sqrt(2.0 / max(1.0, count / shape[0]))
    values = _uniform(count, _seed(shape)) * (math.sqrt(3.0) * scale)
    return torch.from_numpy(values.reshape(shape))


@torch.no_grad()
def fill_(model):
    """The model filled by the rule, in float64 and eval mode; the instance is spent."""
    model.double()
    seen = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            if parameter.ndim >= 2:
                parameter.copy_(_value(tuple(parameter.shape)))
            elif isinstance(module, nn.PReLU):
                parameter.fill_(0.25)
            else:
                is_bias = "bias" in name.lower() or "beta" in name.lower()
                parameter.fill_(0.0 if is_bias else 1.0)
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False
            module.running_mean = module.running_var = None
            module.num_batches_tracked = None
    return model.eval()


def make_input(count, size, channels=3):
    """Smooth waves, a blob and a little noise; samples and channels all differ."""
    ticks = (np.arange(size) + 0.5) / size
    v, u = np.meshgrid(ticks, ticks, indexing="ij")
    image = np.empty((count, channels, size, size))
    for i in range(count):
        cy, cx, r = 0.35 + 0.22 * i, 0.60 - 0.17 * i, 0.18 + 0.07 * i
        blob = np.exp(-((v - cy) ** 2 + 1.6 * (u - cx) ** 2) / (2 * r * r))
        for c in range(channels):
            slow = (1.3 + 0.9 * c + 0.5 * i) * u + (0.8 + 0.6 * i) * v
            fast = 5.1 * u * v + (2.3 + c) * v
            image[i, c] = 0.7 * np.cos(2 * math.pi * slow + 0.7 * c + i)
            image[i, c] += 0.4 * np.cos(2 * math.pi * fast - 1.1 * i)
            image[i, c] += (1.4 - 0.5 * c) * blob - 0.2 + 0.15 * i
    noise = _uniform(image.size, _seed(image.shape, salt=7)).reshape(image.shape)
    return torch.from_numpy(image + 0.3 * noise)


def summarise(logits, samples=16):
    """Shape, mean, std, min, max and some values of one head at fixed places."""
    flat = logits.detach().double().reshape(-1)
    places = [_mix(1000 + j) % flat.numel() for j in range(samples)]
    return {
        "shape": list(logits.shape),
        "mean": flat.mean().item(),
        "std": flat.std(unbiased=False).item(),
        "min": flat.min().item(),
        "max": flat.max().item(),
        "samples": flat[places].tolist(),
    }


def distance(got, golden):
    """The largest difference of two summaries in units of the golden head's spread."""
    if got["shape"] != golden["shape"]:
        return math.inf
    pairs = [(got[k], golden[k]) for k in ("mean", "std", "min", "max")]
    pairs += zip(got["samples"], golden["samples"], strict=True)
    return max(abs(a - b) for a, b in pairs) / max(golden["std"], 1e-30)


def multiset(parameters):
    """How often each shape occurs, as a Counter of texts such as "(64, 3, 7, 7)"."""
    return Counter(str(tuple(p.shape)) for p in parameters)
