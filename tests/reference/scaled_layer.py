"""Scales a network's first convolution of a block up and the next one down: scaled_layer.py FROM TO FACTOR (safetensors).

LeakyReLU passes a factor on, so the outputs of the network stay the same, and one of its maps is larger by the factor.
"""

import sys

import numpy as np
from safetensors.numpy import load_file, save_file

source, target, factor = sys.argv[1], sys.argv[2], np.float32(sys.argv[3])
tensors = load_file(source)
block = "body.layer2.1"
for name in (f"{block}.conv1.bn.weight", f"{block}.conv1.bn.bias"):
    tensors[name] = tensors[name] * factor
tensors[f"{block}.conv2.conv.weight"] = tensors[f"{block}.conv2.conv.weight"] / factor
save_file(tensors, target)
