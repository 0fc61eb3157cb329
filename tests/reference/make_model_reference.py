"""Makes `tests/data/model/`: small TResNets with what timm computes from them. Not part of `make test`.

    python -m venv v && v/bin/pip install torch==2.15.0 timm==1.0.31 safetensors==0.8.0
    v/bin/python tests/reference/make_model_reference.py

Files:

- `v1_odd.safetensors`: base width 5 (so every channel count is odd or oddly even), depths 1, 2, 1, 1, 7 classes;
  weights stored as f16.
- `v2.safetensors`: Bottlenecks throughout, base width 8, depths 1, 1, 2, 1, 5 classes; weights stored as bf16.
- `images.safetensors`: `images`, uint8 [6, 3, 92, 92]: smooth coloured noise with hard edges, drawn from a seed.
- `NAME_expected.safetensors`: `logits_S` and `embedding_S` for the centre S×S pixels, computed in float64 from the
  stored weights and rounded once to float32. S = 92 has odd maps (23, 12, 6, 3), 64 even ones, 36 odd ones of other
  sizes (9, 5, 3, 2). `v1_odd` has them also with squeeze-and-excitation taken out, as `logits_S_no_se`.

timm starts the last scale of each branch at zero, which would leave the branches dead. Here every scale, shift,
mean and variance is random or measured, and the script fails unless zeroing any one block moves the logits.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from timm.models.tresnet import BasicBlock, Bottleneck, TResNet

HERE = Path(__file__).resolve().parent.parent / "data" / "model"
SIZES = (92, 64, 36)


def draw_images(count, side, generator):
    images = []
    for _ in range(count):
        image = torch.zeros(3, side, side, dtype=torch.float64)
        for cells in (2, 5, 11, 23, side):
            noise = torch.rand(1, 3, cells, cells, generator=generator, dtype=torch.float64) - 0.5
            grown = torch.nn.functional.interpolate(noise, (side, side), mode="bilinear", align_corners=True)
            image += grown[0] * (1.5 / cells**0.4)
        for _ in range(6):
            top, left = torch.randint(0, side - 12, (2,), generator=generator).tolist()
            height, width = torch.randint(6, side // 2, (2,), generator=generator).tolist()
            colour = torch.rand(3, 1, 1, generator=generator, dtype=torch.float64) - 0.5
            image[:, top : top + height, left : left + width] += colour
        images.append(image)
    return ((torch.stack(images) + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)


def randomise(model, photos, generator):
    """Random scales and shifts, running statistics measured on `photos`."""
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.data = 0.5 + torch.rand(norm.weight.shape, generator=generator, dtype=torch.float64)
        norm.bias.data = 0.4 * torch.randn(norm.bias.shape, generator=generator, dtype=torch.float64)
        norm.reset_running_stats()
        norm.momentum = None
    for name, parameter in model.named_parameters():
        if ".se." in name and name.endswith("bias"):
            parameter.data = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        elif ".se." in name:
            fan_in = parameter.shape[1]
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.data = noise * (2 / fan_in) ** 0.5
        elif name.startswith("head."):
            parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    model.train()
    model(photos)
    for norm in norms:
        # never exactly what the activations are: a fold that forgets a term must show
        jitter = torch.rand(norm.running_var.shape, generator=generator, dtype=torch.float64)
        norm.running_var *= 0.7 + 0.6 * jitter
    model.eval()


def residual_blocks(model):
    return [module for module in model.modules() if isinstance(module, (BasicBlock, Bottleneck))]


def distance(a, b):
    return float((a - b).norm() / b.norm())


@torch.no_grad()
def make(name, dtype, generator, images, **options):
    torch.manual_seed(int(torch.randint(1 << 30, (1,), generator=generator)))
    model = TResNet(**options).double()
    photos = draw_images(24, 92, generator).double() / 255
    randomise(model, photos, generator)
    state = {key: value for key, value in model.state_dict().items()}
    stored = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    model.load_state_dict({key: value.double() if value.is_floating_point() else value for key, value in stored.items()})

    expected = {}

    def add(suffix=""):
        for size in SIZES:
            edge = (92 - size) // 2
            x = images[:, :, edge : edge + size, edge : edge + size].double() / 255
            # as the engine gets it: float32 pixels
            x = x.float().double()
            features = model.forward_features(x)
            expected[f"embedding_{size}{suffix}"] = features.mean((2, 3))
            expected[f"logits_{size}{suffix}"] = model(x)
            assert distance(model.forward_head(features), model(x)) < 1e-12

    add()
    logits = expected["logits_92"]
    spread = float((logits - logits.mean(0)).norm() / logits.norm())
    print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters, spread over images {spread:.3f}")
    for number, block in enumerate(residual_blocks(model)):
        last = block.conv2.bn if isinstance(block, BasicBlock) else block.conv3.bn
        weight, bias, mean = last.weight.clone(), last.bias.clone(), last.running_mean.clone()
        last.weight.zero_(), last.bias.zero_()
        moved = distance(model(images.double() / 255), logits)
        last.weight.copy_(weight), last.bias.copy_(bias), last.running_mean.copy_(mean)
        print(f"  without block {number} the logits move by {moved:.3f}")
        assert moved > 0.02
    if name == "v1_odd":
        for block in residual_blocks(model):
            block.se = None
        add("_no_se")
        assert distance(expected["logits_92_no_se"], logits) > 0.02

    save_file(stored, HERE / f"{name}.safetensors")
    rounded = {key: value.float().contiguous() for key, value in expected.items()}
    save_file(rounded, HERE / f"{name}_expected.safetensors")


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    generator = torch.Generator().manual_seed(20200330)
    images = draw_images(6, 92, generator)
    save_file({"images": images}, HERE / "images.safetensors")
    v1 = dict(layers=[1, 2, 1, 1], width_factor=5 / 64, num_classes=7)
    v2 = dict(layers=[1, 1, 2, 1], width_factor=8 / 64, num_classes=5, v2=True)
    make("v1_odd", torch.float16, generator, images, **v1)
    make("v2", torch.bfloat16, generator, images, **v2)


main()
