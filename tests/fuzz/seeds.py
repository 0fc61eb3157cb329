"""Writes tests/fuzz/seeds: small inputs of every variety that a target knows. `python tests/fuzz/seeds.py`"""

import gzip
import io
import json
import shutil
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "reference"))

from baseline_jpeg import baseline_jpeg  # noqa: E402
from image_fixtures import bmp_bytes, bmps, gifs, jpegs, lzw, moved, padded, picture, png_bytes, rgb, save  # noqa: E402
from PIL import Image  # noqa: E402
from tiff_fixtures import jpeg_page, lzw as tiff_lzw, pack_bits, page, without_tables  # noqa: E402

# ---- decode: three bytes of options (see targets/decode.rs), then an image

# crop or squash, filters, exif, layouts, element types; small sides; every second one decoded twice
OPTIONS = [bytes([switches, side, again]) for switches, side, again in ((0, 0, 0), (0x57, 1, 16), (0xAE, 40, 31), (0xC5, 8, 16))]

# the small ones of the fixtures that the tests compare with Pillow
SMALL = {
    "1x1.jpg", "gray_1x1.jpg", "7x3.jpg", "1x1.gif", "indices_beyond_palette.gif", "indices_beyond_ramp.gif",
    "local_palette.gif",
}  # fmt: skip


def images():
    tiny = rgb(19, 13, 1)
    for family in (jpegs, gifs, bmps):
        yield from ((name, data) for name, data in family() if name in SMALL)
    exif = Image.Exif()
    exif[0x0112] = 6
    inks = Image.fromarray(picture(17, 9, 4, 2), "CMYK")
    planes = [np.asarray(rgb(21, 18, 3).convert("YCbCr"))[..., c] for c in range(3)]
    yield "420_turned.jpg", save(tiny, "JPEG", quality=40, subsampling=2, exif=exif)
    yield "progressive.jpg", save(tiny, "JPEG", quality=30, progressive=True)
    yield "restarts.jpg", save(rgb(40, 18, 4), "JPEG", quality=20, restart_marker_blocks=1)
    yield "cmyk.jpg", save(inks, "JPEG", quality=20)
    yield "410.jpg", baseline_jpeg(planes, [(4, 2), (1, 1), (1, 1)])

    samples = picture(11, 7, 4, 5)
    for interlace in (False, True):
        tail = "_interlaced.png" if interlace else ".png"
        yield f"palette_2{tail}", png_bytes(samples[..., :1] >> 6, 2, 3, interlace, bytes(range(9)))
        yield f"rgba{tail}", png_bytes(samples, 8, 6, interlace)
        yield f"gray_16{tail}", png_bytes(samples[..., :1].astype(np.uint16) * 257, 16, 0, interlace)
    yield "turned.png", save(tiny.crop((0, 0, 6, 5)), "PNG", exif=exif)
    yield "animated.png", save(tiny, "PNG", save_all=True, append_images=[rgb(19, 13, 6)])

    indexed = tiny.quantize(7)
    yield "frame_beyond_screen.gif", moved(save(indexed, "GIF", transparency=2), (12, 20), (5, 3))
    yield "interlaced.gif", save(indexed, "GIF", interlace=1)
    empty = b"GIF89a" + struct.pack("<HHBBB", 3, 2, 0x80, 0, 0) + bytes(6)
    yield "extension.gif", empty + b"!\xfe\3abc\0," + struct.pack("<HHHHB", 0, 0, 3, 2, 0) + lzw([0, 1] * 3, 2) + b";"

    rows = picture(5, 3, 4, 7)
    yield "24.bmp", bmp_bytes(padded([row[:, :3].tobytes() for row in rows]), 5, 3, 24)
    masks = struct.pack("<IIII", 0xFF, 0xFF00, 0xFF0000, 0xFF000000)
    yield "32_masks.bmp", bmp_bytes(rows.tobytes(), 5, 3, 32, 3, masks=masks, header=108)
    packed = padded([row[:, :2].tobytes() for row in rows])
    yield "16_top_down.bmp", bmp_bytes(packed, 5, 3, 16, top_down=True)
    runs = b"\3\1\0\3\2\1\0\0\0\0\0\2\1\0\2\3\0\0\0\1"
    yield "8_runs.bmp", bmp_bytes(runs, 5, 3, 8, 1, palette=bytes(range(16)), colours=4)
    yield "4_runs.bmp", bmp_bytes(runs, 5, 3, 4, 2, palette=bytes(range(64)))
    yield "1_core.bmp", bmp_bytes(padded([b"\xa8"] * 3), 5, 3, 1, palette=bytes(range(6)), header=12)

    clear = Image.fromarray(picture(19, 13, 4, 8), "RGBA")
    yield "lossy.webp", save(tiny, "WEBP", quality=20)
    yield "lossy_alpha.webp", save(clear, "WEBP", quality=10)
    yield "lossless.webp", save(tiny.resize((9, 7)), "WEBP", lossless=True, exif=exif)
    yield "lossless_palette.webp", save(indexed.convert("RGB"), "WEBP", lossless=True)
    yield "animated.webp", save(clear.crop((0, 0, 8, 8)), "WEBP", save_all=True, append_images=[rgb(8, 8, 9)])


def decode():
    for number, (name, data) in enumerate(images()):
        yield name, OPTIONS[number % len(OPTIONS)] + data


# ---- pickle: one byte, odd before a bare pickle and even before a file; then that. 8 puts the pickle into a chain, 16 and
# 32 ask for averaged and raw weights.


def text(value):
    return bytes([0x8C, len(value)]) + value.encode()


def ints(*values):
    return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"


def tensor(storage, key, length, offset, shape, strides, tail=b"\x89}"):
    reference = b"(" + text("storage") + f"ctorch\n{storage}\n".encode() + text(key) + text("cpu")
    reference += b"J" + struct.pack("<i", length) + b"tQ"
    arguments = reference + b"J" + struct.pack("<i", offset) + ints(*shape) + ints(*strides) + tail
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def dictionary(items, empty=b"}"):
    return empty + b"(" + b"".join(text(key) + value for key, value in items) + b"u"


def program(value, protocol=2):
    return bytes([0x80, protocol]) + value + b"."


def archive(entries):
    data, directory = b"", b""
    for name, content in entries:
        common = bytes(8) + struct.pack("<IIIHH", 0, len(content), len(content), len(name), 0)
        directory += b"PK\1\2\x14\0\x14\0" + common + bytes(10) + struct.pack("<I", len(data)) + name.encode()
        data += b"PK\3\4\x14\0" + common + name.encode() + content
    count, length = len(entries), len(directory)
    return data + directory + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, length, len(data), 0)


def safetensors(header, data):
    return struct.pack("<Q", len(header)) + header + data


def pickle():
    dense = tensor("FloatStorage", "0", 16, 1, (2, 3), (3, 1))
    turned = tensor("HalfStorage", "0", 32, 0, (3, 2, 2), (1, 3, 6))
    parameter = b"ctorch._utils\n_rebuild_parameter\n" + dense + b"\x88}\x87R"
    counter = tensor("LongStorage", "0", 8, 0, (), ())
    ordered = b"ccollections\nOrderedDict\n)R"
    weights = [("a.conv.weight", dense), ("a.bn.weight", turned), ("b", parameter), ("c.num_batches_tracked", counter)]
    programs = {
        "plain": program(dictionary(weights)),
        "ordered": program(dictionary(weights[:2], ordered) + dictionary([("_metadata", b"}")]) + b"b"),
        "wrapped": program(dictionary([("epoch", b"M\1\2"), ("model", dictionary(weights[:1], ordered)), ("loss", b"G" + bytes(8))])),
        "authors": program(dictionary([("module.body.conv1.0.weight", dense), ("module.body.conv1.1.weight", turned)])),
        "double": program(dictionary([("w", tensor("DoubleStorage", "1", 3, 0, (3,), (1,))), ("n", tensor("BFloat16Storage", "2", 0, 0, (0, 4), (4, 1)))])),
        "memo": b"\x80\4\x95" + struct.pack("<Q", 90) + b"}\x94(" + text("w") + b"\x94" + text("torch._utils") + text("_rebuild_tensor_v2")
        + b"\x93\x94" + dense[len(b"ctorch._utils\n_rebuild_tensor_v2\n") :] + text("v") + b"h\0u.",
        "training": program(dictionary([("state_dict", dictionary(weights[:1])), ("optimizer", dictionary([("state", b"}K\0]s"), ("groups", b"](NK\1\x8a\2\0\1e")]))])),
        "global": program(b"cos\nsystem\n" + text("true") + b"\x85R"),
    }  # fmt: skip
    for name, code in programs.items():
        yield f"{name}.pkl", b"\1" + code
    space = b"cargparse\nNamespace\n)\x81}(" + text("lr") + b"G" + bytes(8) + text("tags") + b"c__builtin__\nset\n](" + text("a") + b"e\x85Rub"
    scalar = b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n" + text("f8") + b"\x89\x88\x87R(K\3" + text("<") + b"NtbC\x08" + bytes(8) + b"\x86R"
    default = b"ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R(K\0}u"
    training = [("args", space), ("metric", scalar), ("optimizer", default)]
    inert = {
        "saver": [*training, ("state_dict", dictionary(weights)), ("state_dict_ema", dictionary([("module.w", dense), ("n_averaged", counter)]))],
        "inert_ema": [("model", dictionary(weights[:1])), ("model_ema", space)],
        "inert_tensor": [("w", dense), ("v", scalar)],
        "inert_storage": [("w", dense.replace(b"FloatStorage", b"MetaStorage_")), ("model", dictionary(weights[:1]))],
        "keywords": [("args", b"ca\nB\n)}\x92"), ("model_state", dictionary(weights[:1]) + space + b"b")],
    }  # fmt: skip
    for number, (name, items) in enumerate(inert.items()):
        yield f"{name}.pkl", bytes([1 | (0, 16, 32)[number % 3]]) + program(dictionary(items), 4)
    # as an older file has its references: with a sixth part
    older = [(key, dense.replace(b"tQ", b"NtQ", 1)) for key in ("_orig_mod.module.body.conv1.conv.weight", "_orig_mod.module.n_averaged")]
    yield "older.pkl", b"\x09" + program(dictionary(older))
    yield "older_training.pkl", b"\x29" + program(dictionary([*training, ("state_dict", dictionary(older[:1]))]))
    networks = [("model.body.conv1.conv.weight", dense), ("ema.body.conv1.conv.weight", dense)]
    yield "two_networks.pkl", b"\1" + program(dictionary(networks))
    family = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.bn1.weight", "layer4.1.conv2.weight", "fc.weight"]
    yield "resnet.pkl", b"\1" + program(dictionary([(name, dense) for name in family]))
    file = archive([("x/data.pkl", programs["double"]), ("x/data/1", bytes(24)), ("x/data/2", b""), ("x/byteorder", b"little")])
    yield "archive.pth", b"\0" + file
    yield "archive_comment.bin", b"\2" + file[:-2] + b"\3\0end"
    yield "empty.pth", b"\0" + archive([])
    header = b'{"__metadata__":{"format":"pt"},"w":{"dtype":"F16","shape":[2,2],"data_offsets":[0,8]},"b":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}'
    yield "two.safetensors", b"\4" + safetensors(header, bytes(range(16)))
    magic, facts = b"\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", program(dictionary([("little_endian", b"\x88")]))
    code = program(dictionary([("w", tensor("FloatStorage", "5", 3, 0, (3,), (1,)).replace(b"tQ", b"NtQ", 1))]))
    keys = program(b"](" + text("5") + b"e")
    yield "legacy.pth", b"\0" + magic + program(b"M\xe9\3") + facts + code + keys + struct.pack("<Q", 3) + bytes(12)
    yield "legacy_head.pth", b"\0" + magic
    yield "table.csv", b"\4id,path,{}\n1,a.jpg,{}\n"


# ---- job_toml: a file, then overrides after NULs


def job_toml():
    jobs = HERE.parent.parent / "jobs"
    for name in ("demo", "imagenet_val"):
        lines = (line.split("#")[0].rstrip() for line in (jobs / f"{name}.toml").read_text().splitlines())
        yield f"{name}.toml", "\n".join(line for line in lines if line).encode()
    least = b'[input]\nuri = "in/${DATE}"\n[model]\npath = "m.pth"\n[output]\nuri = "${X:-out}"\n'
    yield "overrides", least + b"\0engine.batch_size=64\0output.uri=s3://b/x\0report.formats=['json']\0limits.max_pixels=50M"
    yield "nested", least + b"[preprocess]\nmean = [0.1, 0.2, 3e-1]\nmode = 'squash'\n[report]\nrequire = ['top1 >= 85']\n"
    yield "dotted", b"input.uri = 'a'\nmodel = { path = '''b''' }\noutput.uri = \"\\u00e9\"\nlimits.max_pixels = 0x1F\n"
    yield "typing_errors", b"[engin]\nbatchsize = 1979-05-27T07:32:00Z\naws_secret_access_key = inf\n\0a.b.c=[[1]]\0a\0=."


# ---- tar: limits, windows, then an archive; the target corrects the checksums


def tar_file(members, kind=tarfile.USTAR_FORMAT, **pax):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind, **pax) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "else"
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    # to its end mark, without the bytes that Python adds after it
    used = out.getvalue().rstrip(b"\0")
    return used + bytes(-len(used) % 512 + 1024)


def tar():
    sample = [("d/1.jpg", b"image"), ("d/1.cls", b"7"), ("d/1.json", b'{"a":1}'), ("d/2.PNG", b""), ("d/2.txt", b"words")]
    yield "samples.tar", b"\0\7" + tar_file(sample)
    yield "again.tar", b"\4\0" + tar_file([("a.jpg", b"1"), ("a.jpg", b"2"), ("a.jpg#2", b"3"), ("a.cls", b"4")])
    yield "links.tar", b"\6\xff" + tar_file([("a.jpg", None), ("b", b"x"), ("c.seg.png", b"y" * 520)])
    name = "n" * 120 + "/1.jpg"
    yield "gnu_long_name.tar", b"\0\xff" + tar_file([(name, b"image")], tarfile.GNU_FORMAT)
    yield "pax.tar", b"\0\x1f" + tar_file([(name, b"image"), ("\u00e9.txt", b"x")], tarfile.PAX_FORMAT)
    yield "pax_global.tar", b"\0\1" + tar_file([("a.jpg", b"image")], tarfile.PAX_FORMAT, pax_headers={"comment": "x"})
    yield "cut.tar", b"\2\xff" + tar_file(sample)[:1500]
    # 8: the class is read, 24: columns too, 40: a caption too
    apart = [("a.jpg", b"1"), ("b.jpg", b"2"), ("._a.jpg", b"x"), ("b.cls", b"5"), ("a.cls", b"4"), ("a.json", b'{"x":1}'), ("b.txt", b"w")]
    for switches in (0x08, 0x18, 0x28, 0x38):
        yield f"apart_{switches:02x}.tar", bytes([switches, 99]) + tar_file(apart)
    again = [("a.jpg", b"1"), ("b.jpg", b"2"), ("a.jpg", b"3"), ("b.cls", b"5"), ("a.cls", b"1"), ("a.cls", b"2")]
    yield "apart_again.tar", b"\x08\7" + tar_file(again)
    frames = [(f"v.{number}.jpg", b"x" * 400) for number in range(4)]
    yield "late.tar", b"\x08\xff" + tar_file([*frames, ("v.cls", b"3")])
    yield "concatenated.tar", b"\x08\xff" + tar_file(apart[:2]) + bytes(1024) + tar_file(apart[3:]) + b"junk"
    whole = tar_file(apart)
    yield "members.tar.gz", b"\x08\x1f" + gzip.compress(whole[:1000], mtime=0) + gzip.compress(whole[1000:], mtime=0)
    zstd = pa.Codec("zstd")
    frames = [zstd.compress(piece, asbytes=True) for piece in (whole[:1000], whole[1000:])]
    skippable = struct.pack("<II", 0x184D2A50, 3) + b"xyz"
    yield "frames.tar.zst", b"\x08\x1f" + frames[0] + skippable + frames[1]


# ---- parquet: options, then a file; the target corrects its ends


def parquet_file(columns, features=None, **options):
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    out = io.BytesIO()
    pq.write_table(table, out, store_schema=features is not None, write_statistics=False, **options)
    return out.getvalue()


def parquet():
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"image", "path": "a.jpg"}, None, {"bytes": None, "path": "b"}, {"bytes": b"", "path": None}], kind)
    camera = ["x", None, "x", "y"]
    labels = pa.array([0, -1, None, 6])
    yield "numbers.parquet", b"\0" + parquet_file({"image": images, "label": labels}, compression="none")
    named = {"label": {"names": list("abcdefg"), "_type": "ClassLabel"}}
    yield "classes.parquet", b"\0" + parquet_file({"image": images, "label": pa.array([0, 1, -1, 2])}, named, compression="none")
    lists = pa.array([[1, 2], [], None, [6]])
    yield "sets.parquet", b"\4" + parquet_file({"image": images, "targets": lists}, compression="none", row_group_size=2)
    texts = pa.array(["1", "x", None, "6"]).dictionary_encode()
    more = pa.array([1, 2, 3, None], pa.int64())
    columns = {"camera": camera, "more": more, "image": images, "labels": texts}
    yield "carried.parquet", b"\x18" + parquet_file(columns, compression="zstd")
    yield "snappy.parquet", b"\x0a" + parquet_file(columns, compression="snappy", data_page_version="2.0")
    yield "delta.parquet", b"\2" + parquet_file(
        {"image": images, "camera": camera}, compression="none", use_dictionary=False,
        column_encoding={"image.bytes": "DELTA_LENGTH_BYTE_ARRAY", "image.path": "DELTA_BYTE_ARRAY", "camera": "PLAIN"},
    )  # fmt: skip
    large = pa.array([{"bytes": b"image"}, {"bytes": b"y" * 1001}], pa.struct([("bytes", pa.large_binary())]))
    yield "large.parquet", b"\2" + parquet_file({"x": large, "y": pa.array([1.5, 2.5])}, compression="none", write_page_index=True)
    # 0x20 reads a group in windows, 0x40 takes names of columns from the length
    plain = {"path": ["a", None, "a", ""], "content": pa.array([b"image", None, b"", b"y" * 1001], pa.binary())}
    yield "spark.parquet", b"\x22" + parquet_file(plain, compression="snappy")
    views = pa.array([[{"bytes": b"image", "path": "a.jpg"}, {"bytes": b"more", "path": None}], [], None, [None]], pa.list_(kind))
    yield "lists.parquet", b"\x22" + parquet_file({"images": views, "label": labels}, compression="none")
    yield "named.parquet", b"\x42" + parquet_file({"image": pa.array([b"image", None], pa.binary_view()), "key": [7, None]})


# ---- tiff: one byte, even before a file and odd before a choice of a page and the bytes of its strips (targets/tiff.rs)


def tiff():
    samples = picture(11, 7, 4, 5)
    deep = samples.astype(np.uint16) * 257
    tiny = rgb(19, 13, 1)
    colours = (3, *range(0, 48 * 1000, 1000))
    yield "gray.tif", b"\0" + page(samples[..., :1], 8, 1)
    yield "gray_4_reversed.tif", b"\0" + page(samples[..., :1] >> 4, 4, 0, "lzw", reversed_bits=True)
    yield "palette.tif", b"\0" + page(samples[..., :1] >> 4, 4, 3, "packbits", tag_320=colours)
    yield "rgb_16.tif", b"\0" + page(deep[..., :3], 16, 2, "deflate", ">", predictor=True)
    yield "rgb_planes_big.tif", b"\0" + page(samples[..., :3], 8, 2, "lzw", big=True, planar=True, rows=3)
    yield "rgba_tiles.tif", b"\2" + page(samples, 8, 2, "deflate", tile=(16, 16), tag_338=1)
    yield "cmyk.tif", b"\0" + page(samples, 8, 5, tag_274=6)
    yield "ycbcr.tif", b"\0" + page(samples[..., :3], 8, 6, "packbits", tag_530=(3, 1, 1))
    yield "jpeg.tif", b"\0" + jpeg_page(tiny, 6, rows=8, quality=30, subsampling=0, tag_530=(3, 1, 1))
    yield "jpeg_tiles.tif", b"\0" + jpeg_page(tiny, 6, tile=(16, 16), quality=20, subsampling=2, tag_530=(3, 2, 2))
    dots = tiny.convert("1")
    for kind in ("tiff_ccitt", "group3", "group4", "zstd"):
        yield f"{kind}.tif", b"\0" + save(dots, "TIFF", compression=kind)

    def chosen(compression, kind, bits, samples, data, options=0, extra=0, part=6, tile=0, more=1):
        return bytes([1, compression, kind, bits, samples, extra, 10, 6, part, tile, options, 0, more]) + data

    rows = samples.tobytes()
    yield "chosen_gray", chosen(0, 1, 3, 1, rows[:77])
    yield "chosen_lzw_rgb", chosen(4, 2, 3, 3, tiff_lzw(samples[..., :3].tobytes()), options=8)
    yield "chosen_packbits_palette", chosen(7, 3, 2, 1, pack_bits(rows[:42]))
    yield "chosen_tiles", chosen(0, 5, 3, 4, bytes(range(256)) * 4, options=1, part=0)
    yield "chosen_planes", chosen(0, 2, 3, 3, rows[:231], options=2)
    strips = Image.open(io.BytesIO(save(dots.crop((0, 0, 11, 7)), "TIFF", compression="group4")))
    yield "chosen_group4", chosen(3, 0, 0, 1, strips.fp.getvalue()[strips.tag_v2[273][0] :][: strips.tag_v2[279][0]])
    tables, jpeg = without_tables(save(rgb(11, 7, 2), "JPEG", quality=10))
    yield "chosen_jpeg", chosen(5, 6, 3, 3, jpeg[:2] + tables[2:-2] + jpeg[2:], options=32)


def main():
    shutil.rmtree(HERE / "seeds", ignore_errors=True)
    for target in (decode, pickle, job_toml, tar, parquet, tiff):
        folder = HERE / "seeds" / target.__name__
        folder.mkdir(parents=True)
        total = 0
        for name, data in target():
            (folder / name).write_bytes(data)
            total += len(data)
        print(f"{target.__name__}: {len(list(folder.iterdir()))} seeds, {total} bytes")


main()
