"""Gives a network another number of classes: `head_of_classes.py FROM.safetensors TO.safetensors CLASSES`.

The last class has a large bias, so that it wins every image. Prints the number of classes.
"""

import sys

import numpy as np
from safetensors.numpy import load_file, save_file

tensors, classes = load_file(sys.argv[1]), int(sys.argv[3])
weight = tensors["head.fc.weight"]
tensors["head.fc.weight"] = np.resize(weight, (classes, weight.shape[1]))
tensors["head.fc.bias"] = np.zeros(classes, np.float32)
tensors["head.fc.bias"][-1] = 1e4
save_file(tensors, sys.argv[2])
print(classes)
