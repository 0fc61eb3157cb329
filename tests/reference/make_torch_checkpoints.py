"""Makes the `.pth` files of `tests/data/model/`. Not part of `make test`; run it after `make_model_reference.py`.

    v/bin/python tests/reference/make_torch_checkpoints.py      (torch==2.15.0, safetensors==0.8.0)

- `v1_odd_authors.pth`: the weights of `v1_odd.safetensors` as the authors' code would save them from several
  devices: under `state_dict`, names with `module.`, their spelling, wrapped convolutions and filters of the blur in
  front of a halved map, in-place ABN with scales of either sign. Convolutions in f16 (as they are stored there),
  the rest in f32. `v1_odd_expected.safetensors` is what it computes.
- `small_timm.pth`: a network of base width 1 under timm's names, at the top level, pickle protocol 5. Its tensors
  take turns in f32, f16, bf16 and f64; some are parameters, transposed, every second value of a storage, or parts
  of one storage that all share.
- `small_timm.safetensors`: the same in f32, as PyTorch itself reads `small_timm.pth`.
"""

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from authors_layout import authors_name, authors_scale, blur_filters

DATA = Path(__file__).resolve().parent.parent / "data" / "model"


def make_authors(generator):
    timm = load_file(DATA / "v1_odd.safetensors")
    state = OrderedDict()
    for name, value in timm.items():
        spelled = "module." + authors_name(name, bottlenecks=("3", "4"))
        is_norm = ".bn." in name
        if is_norm and name.endswith(".weight"):
            value = authors_scale(value, generator)
        elif is_norm and value.is_floating_point() or value.ndim < 4:
            value = value.float() if value.is_floating_point() else value
        state[spelled] = value
    state |= blur_filters(("3", "4"), "module.")
    assert any((value < 0).any() for name, value in state.items() if name.endswith("0.1.weight"))
    torch.save({"epoch": 7, "state_dict": state, "best": 0.5}, DATA / "v1_odd_authors.pth")


def small_shapes():
    """Base width 1, one block a stage, 3 classes, no squeeze-and-excitation."""
    convs = {"body.conv1": (1, 48, 3)}
    convs |= {"body.layer1.0.conv1": (1, 1, 3), "body.layer1.0.conv2": (1, 1, 3)}
    convs |= {"body.layer2.0.conv1": (2, 1, 3), "body.layer2.0.conv2": (2, 2, 3)}
    convs["body.layer2.0.downsample.1"] = (2, 1, 1)
    for stage, inputs, planes in ((3, 2, 4), (4, 16, 8)):
        scope = f"body.layer{stage}.0"
        convs |= {f"{scope}.conv1": (planes, inputs, 1), f"{scope}.conv2": (planes, planes, 3)}
        convs |= {f"{scope}.conv3": (4 * planes, planes, 1), f"{scope}.downsample.1": (4 * planes, inputs, 1)}
    shapes = {}
    for scope, (outputs, inputs, kernel) in convs.items():
        shapes[f"{scope}.conv.weight"] = (outputs, inputs, kernel, kernel)
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{scope}.bn.{part}"] = (outputs,)
        shapes[f"{scope}.bn.num_batches_tracked"] = ()
    return shapes | {"head.fc.weight": (3, 32), "head.fc.bias": (3,)}


def make_small(generator):
    dtypes = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    common = torch.rand(64, generator=generator) + 0.5
    state = OrderedDict()
    state._metadata = OrderedDict({"": {"version": 1}, "body": {"version": 2}})
    used = 0
    for number, (name, shape) in enumerate(small_shapes().items()):
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(1 << 40)
            continue
        value = (torch.rand(shape, generator=generator, dtype=torch.float64) + 0.25).to(dtypes[number % 4])
        if len(shape) == 4 and number % 3 == 0:
            value = value.contiguous(memory_format=torch.channels_last)
        elif len(shape) == 2:
            value = value.t().contiguous().t()
        elif number % 5 == 0:
            value = value.repeat_interleave(2, dim=-1)[..., ::2]
        elif number % 7 == 0 and len(shape) == 1 and used + shape[0] <= len(common):
            value = common[used : used + shape[0]]
            used += shape[0]
        elif number % 2 == 0:
            value = torch.nn.Parameter(value)
        state[name] = value
    assert used and any(not value.is_contiguous() for value in state.values())
    torch.save(state, DATA / "small_timm.pth", pickle_protocol=5)
    # its safe mode supports protocol 2 alone; the file was made just now
    read = torch.load(DATA / "small_timm.pth", weights_only=False)
    save_file(
        {name: value.float().contiguous() for name, value in read.items() if value.is_floating_point()},
        DATA / "small_timm.safetensors",
    )


seeded = torch.Generator().manual_seed(13630)
make_authors(seeded)
make_small(seeded)
for path in sorted(DATA.glob("*_authors.pth")) + sorted(DATA.glob("small_timm.*")):
    print(f"{path.name}: {path.stat().st_size} bytes")
