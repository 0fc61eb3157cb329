"""Small graphs as exporters write them, and what their rows should be.

    foreign_graphs.py make FOLDER             writes the graphs below
    foreign_graphs.py check OUT IMAGES TYPE   compares an output with Pillow's squares of IMAGES through the same arithmetic
                                              in numpy; prints the largest differences as JSON. TYPE is that of the input
    foreign_graphs.py exported OUT IMAGES MODEL   compares logits with Python's ONNX Runtime on the file as it is, for squares of
                                              32 pixels
    foreign_graphs.py bits A B                the number of rows whose logits differ, of two outputs

All of them take squares of 64 pixels, average red, green and blue over the square ("mean", 3 numbers) and multiply that with a
matrix ("score", 5 numbers). `score` is the logits, `mean` the embedding.

- two.onnx          outputs `a` (the score) and `b` (the mean), whose names do not show their roles
- named.onnx        outputs `logits` and `embedding`
- free.onnx         named.onnx with names for all axes and no length
- tower.onnx        outputs `last_hidden_state` [batch, 3, 4096] and `pooler_output` (the mean)
- clip.onnx         images and texts in; the images' embedding needs the images alone
- nhwc.onnx         [batch, 64, 64, 3]
- half.onnx, bf16.onnx   inputs and outputs in that type
- softmax.onnx, sigmoid.onnx, logsoftmax.onnx, softmax_cast.onnx   the score through that, the last with a change of type after
- softmax_qdq.onnx       softmax, quantized to 8 bits and made floats again, as ONNX Runtime's quantize_static writes it
- softmax_batch.onnx     softmax over the batch, which is no head
- baked.onnx        plain.onnx with a Reshape to [1, 3] inside, so that it takes one image although its batch axis is free
- doubled.onnx      plain.onnx that gives two rows for each image
- external/model.onnx    weights in external/weights.bin
- climbing.onnx, absolute.onnx, linked.onnx, cut.onnx, address.onnx, inside.onnx   weights where they may not be
"""

import json
import sys
from pathlib import Path

import numpy as np

SIDE = 64
MATRIX = np.array([[8, -4, 2, 0, 1], [0, 3, -5, 1, 2], [-2, 1, 4, -3, 0]], np.float32)
BIAS = np.array([0.1, -0.2, 0.3, 0, 0.5], np.float32)


def bfloat16(values):
    """Rounds single precision to its upper half, ties to even."""
    bits = values.astype(np.float32).view(np.uint32)
    return (((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16) << 16).view(np.float32)


def make(folder):
    import onnx
    from onnx import TensorProto, external_data_helper, helper, numpy_helper

    folder.mkdir(parents=True, exist_ok=True)
    info = helper.make_tensor_value_info

    def write(name, nodes, outputs, inputs=None, stored=None, opset=17, change=None):
        weights = {"matrix": MATRIX, "bias": BIAS} | (stored or {})
        if isinstance(weights["matrix"], np.ndarray):
            weights = {key: numpy_helper.from_array(values, key) for key, values in weights.items()}
        inputs = inputs or [info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])]
        graph = helper.make_graph(nodes, "graph", inputs, outputs, list(weights.values()))
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        onnx.checker.check_model(made)
        if change:
            change(made)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(made.SerializeToString())

    def score(image="images", mean="mean", result="score"):
        return [
            helper.make_node("GlobalAveragePool", [image], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], [mean]),
            helper.make_node("Gemm", [mean, "matrix", "bias"], [result]),
        ]

    def vector(name, length, kind=TensorProto.FLOAT):
        return info(name, kind, ["batch", length])

    write("two.onnx", score(mean="b", result="a"), [vector("a", 5), vector("b", 3)])
    named = score(mean="embedding", result="logits")
    write("named.onnx", named, [vector("logits", 5), vector("embedding", 3)])
    free = [info("logits", TensorProto.FLOAT, ["batch_size", "classes"]), info("embedding", TensorProto.FLOAT, ["batch_size", "d"])]
    axes = ["batch_size", "num_channels", "height", "width"]
    write("free.onnx", named, free, [info("images", TensorProto.FLOAT, axes)])
    tower = score(mean="pooler_output")[:2] + [helper.make_node("Reshape", ["images", "rows"], ["last_hidden_state"])]
    rows = {"rows": np.array([0, 3, -1], np.int64)}
    hidden = info("last_hidden_state", TensorProto.FLOAT, ["batch", 3, SIDE * SIDE])
    write("tower.onnx", tower, [hidden, vector("pooler_output", 3)], stored=rows)
    both = score(mean="image_embeds")[:2] + [
        helper.make_node("Cast", ["input_ids"], ["texts"], to=TensorProto.FLOAT),
        helper.make_node("Gemm", ["texts", "matrix", "bias"], ["text_embeds"]),
    ]
    texts = info("input_ids", TensorProto.INT64, ["text_batch", 3])
    outputs = [info("text_embeds", TensorProto.FLOAT, ["text_batch", 5]), vector("image_embeds", 3)]
    images = info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    write("clip.onnx", both, outputs, [texts, images])
    turned = [helper.make_node("Transpose", ["images"], ["planes"], perm=[0, 3, 1, 2]), *score(image="planes", result="logits")]
    write("nhwc.onnx", turned, [vector("logits", 5)], [info("images", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])])
    half = {"matrix": MATRIX.astype(np.float16), "bias": BIAS.astype(np.float16)}
    write("half.onnx", score(mean="embedding", result="logits"),
          [vector("logits", 5, TensorProto.FLOAT16), vector("embedding", 3, TensorProto.FLOAT16)],
          [info("images", TensorProto.FLOAT16, ["batch", 3, SIDE, SIDE])], half)
    brief = [helper.make_node("Cast", ["images"], ["wide"], to=TensorProto.FLOAT), *score(image="wide"),
             helper.make_node("Cast", ["score"], ["logits"], to=TensorProto.BFLOAT16)]
    write("bf16.onnx", brief, [vector("logits", 5, TensorProto.BFLOAT16)],
          [info("images", TensorProto.BFLOAT16, ["batch", 3, SIDE, SIDE])])
    write("plain.onnx", score(), [vector("score", 5)])
    baked = [score()[0], helper.make_node("Reshape", ["pooled", "one"], ["mean"]), score()[2]]
    twice = [*score(), helper.make_node("Concat", ["score", "score"], ["twice"], axis=0)]
    write("doubled.onnx", twice, [vector("twice", 5)])
    write("baked.onnx", baked, [vector("score", 5)], stored={"one": np.array([1, 3], np.int64)})
    for operator in ["Softmax", "Sigmoid", "LogSoftmax"]:
        write(f"{operator.lower()}.onnx", [*score(), helper.make_node(operator, ["score"], ["out"])], [vector("out", 5)])
    cast = [*score(), helper.make_node("Softmax", ["score"], ["sure"], axis=-1),
            helper.make_node("Cast", ["sure"], ["out"], to=TensorProto.FLOAT16)]
    write("softmax_cast.onnx", cast, [vector("out", 5, TensorProto.FLOAT16)])
    rounded = [*score(), helper.make_node("Softmax", ["score"], ["sure"], axis=-1),
               helper.make_node("QuantizeLinear", ["sure", "scale", "zero"], ["whole"]),
               helper.make_node("DequantizeLinear", ["whole", "scale", "zero"], ["out"])]
    steps = {"scale": np.array(1 / 256, np.float32), "zero": np.array(0, np.uint8)}
    write("softmax_qdq.onnx", rounded, [vector("out", 5)], stored=steps)
    write("softmax_batch.onnx", [*score(), helper.make_node("Softmax", ["score"], ["out"], axis=0)], [vector("out", 5)])

    def beside(location, length=60):
        def change(made):
            tensor = made.graph.initializer[0]
            external_data_helper.set_external_data(tensor, location, offset=4, length=length)
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
        return change

    weights = b"head" + MATRIX.tobytes()
    logits = [vector("logits", 5)]
    write("external/model.onnx", score(result="logits"), logits, change=beside("weights.bin"))
    (folder / "external/weights.bin").write_bytes(weights)
    (folder / "outside").mkdir(exist_ok=True)
    (folder / "outside/weights.bin").write_bytes(weights)
    hostile = folder / "hostile"
    for name, location in [
        ("climbing.onnx", "../outside/weights.bin"),
        ("absolute.onnx", str(folder / "outside/weights.bin")),
        ("linked.onnx", "link.bin"),
        ("cut.onnx", "short.bin"),
        ("address.onnx", "*/_ORT_MEM_ADDR_/*"),
        ("missing.onnx", "nothing.bin"),
    ]:
        write(f"hostile/{name}", score(result="logits"), logits, change=beside(location))
    (hostile / "short.bin").write_bytes(weights[:-1])
    link = hostile / "link.bin"
    link.unlink(missing_ok=True)
    link.symlink_to("../outside/weights.bin")

    def inside(made):
        tensor = numpy_helper.from_array(MATRIX, "value")
        made.graph.node.insert(0, helper.make_node("Constant", [], ["inner"], value=tensor))
        value = made.graph.node[0].attribute[0].t
        external_data_helper.set_external_data(value, "weights.bin", offset=4, length=60)
        value.ClearField("raw_data")
        value.data_location = TensorProto.EXTERNAL

    write("external/inside.onnx", score(result="logits"), logits, change=inside)


def check(out, images, kind):
    from pillow_crops import square, to_rgb
    from rows import read

    table = read(out)
    found = {"rows": 0, "order": 0}

    def differ(name, ours, theirs):
        # rows that are not compared have no entry, and NaN stays
        found[name] = np.maximum(found.get(name, 0.0), np.abs(np.array(ours) - theirs).max())

    for row in table.to_pylist():
        # Pillow's decoder of WebP rounds otherwise
        if row["status"] != "ok" or row["format"] == "webp":
            continue
        found["rows"] += 1
        pixels = square(to_rgb((images / row["key"]).read_bytes()), SIDE, 0.875, "crop", "bilinear")
        pixels = np.frombuffer(pixels, np.uint8).reshape(-1, 3).astype(np.float32) / np.float32(255)
        if kind == "half":
            pixels = pixels.astype(np.float16)
        if kind == "bf16":
            pixels = bfloat16(pixels)
        mean = pixels.astype(np.float64).mean(0)
        score = mean @ MATRIX.astype(np.float64) + BIAS
        if row.get("embedding") is not None:
            differ("embedding", row["embedding"], mean)
        if row.get("logits") is not None:
            differ("logits", row["logits"], score)
        if row.get("index") is not None:
            softmax = np.exp(score) / np.exp(score).sum()
            sigmoid = 1 / (1 + np.exp(-score))
            found["order"] += row["index"] != np.argsort(-score, kind="stable")[: len(row["index"])].tolist()
            for name, values in [("softmax", softmax), ("sigmoid", sigmoid)]:
                differ(name, row["prob"], values[row["index"]])
    print(json.dumps({name: float(value) for name, value in found.items()}))


def exported(out, images, model):
    import onnxruntime

    from pillow_crops import square, to_rgb
    from rows import read

    side = 32
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    apart, rows = 0.0, 0
    for row in read(out).to_pylist():
        if row["status"] != "ok" or row["format"] == "webp":
            continue
        pixels = square(to_rgb((images / row["key"]).read_bytes()), side, 0.875, "crop", "bilinear")
        pixels = np.frombuffer(pixels, np.uint8).reshape(1, side, side, 3).transpose(0, 3, 1, 2)
        pixels = pixels.astype(np.float32) / np.float32(255)
        if given.type == "tensor(float16)":
            pixels = pixels.astype(np.float16)
        (logits,) = session.run(None, {given.name: pixels})
        apart = np.maximum(apart, np.abs(np.array(row["logits"]) - logits[0]).max())
        rows += 1
    print(json.dumps({"rows": rows, "logits": float(apart)}))


def bits(a, b):
    from rows import read

    a, b = (read(out).select(["key", "logits"]).to_pylist() for out in (a, b))
    print(json.dumps(sum(x != y for x, y in zip(a, b, strict=True))))


if __name__ == "__main__":
    action, *arguments = sys.argv[1:]
    if action == "make":
        make(Path(arguments[0]).resolve())
    elif action == "check":
        check(arguments[0], Path(arguments[1]), arguments[2])
    elif action == "exported":
        exported(arguments[0], Path(arguments[1]), arguments[2])
    else:
        bits(*arguments)
