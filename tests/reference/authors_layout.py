"""The authors' spelling of timm's TResNet weights, for scripts that write such files."""

import re
from collections import OrderedDict

import torch

# what in-place ABN adds to the magnitude of its scale
ABN_EPS = 1e-5


def authors_name(name, bottlenecks):
    """The authors' name of timm's; `bottlenecks` holds the stages that have them."""
    found = re.fullmatch(r"(body\.(?:layer(\d)\.(\d+)\.)?(conv\d|downsample\.\d))\.(conv|bn)\.(\w+)", name)
    if not found:
        return name
    scope, stage, block, layer, half, part = found.groups()
    blurred = "conv2" if stage in bottlenecks else "conv1"
    wrapped = stage in ("2", "3", "4") and block == "0" and layer == blurred
    return f"{scope}{'.0' if wrapped else ''}.{'0' if half == 'conv' else '1'}.{part}"


def authors_scale(scale, generator):
    """A scale as in-place ABN stores it: of either sign, and its magnitude a little smaller."""
    assert (scale > 0).all()
    sign = torch.randint(0, 2, scale.shape, generator=generator) * 2 - 1
    return (sign * (scale.double() - ABN_EPS)).float()


def used_scale(stored):
    """What the network multiplies by."""
    return (stored.double().abs() + ABN_EPS).float()


def blur_filters(bottlenecks, prefix=""):
    """The constants that the authors' blurs leave in the file."""
    kernel = torch.tensor([1.0, 2.0, 1.0])
    kernel = (kernel[:, None] * kernel / 16)[None, None]
    convs = {stage: "conv2" if str(stage) in bottlenecks else "conv1" for stage in (2, 3, 4)}
    return OrderedDict((f"{prefix}body.layer{stage}.0.{conv}.1.filt", kernel) for stage, conv in convs.items())
