"""Scales a network's classifier until no sum of its products is finite: overflowing_model.py FROM TO (safetensors)."""

import sys

import numpy as np
from safetensors.numpy import load_file, save_file

source, target = sys.argv[1:]
tensors = load_file(source)
names = [name for name in tensors if name.endswith("fc.weight")]
assert len(names) == 1, f"no single classifier among {sorted(tensors)[:5]} …"
tensors[names[0]] = np.full(tensors[names[0]].shape, 3e38, np.float32)
save_file(tensors, target)
