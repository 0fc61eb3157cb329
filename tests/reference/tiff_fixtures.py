"""TIFFs of every mode that is read, and of modes that are not, for pillow_crops.py.

Pillow writes some, `tiff_bytes` here the others, which need tags that Pillow cannot set; those in tests/data/tiff are by
tifffile (tifffile_files.py).
"""
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from image_fixtures import picture, rgb, save
from PIL import Image, ImageDraw

FILES = Path(__file__).resolve().parent.parent / "data" / "tiff"
WIDTH, HEIGHT = 61, 47
SHORT, LONG, LONG8, UNDEFINED = 3, 4, 16, 7


def tiff_bytes(parts, tags, order="<", big=False, tiled=False):
    """A page of these strips or tiles. `tags` are numbers, or tuples of a type and numbers."""
    out = struct.pack(f"{order}2sHHHQ" if big else f"{order}2sHI", b"II" if order == "<" else b"MM", *((43, 8, 0, 0) if big else (42, 0)))
    begins = []
    for part in parts:
        begins.append(len(out))
        out += part + bytes(len(part) % 2)
    place = LONG8 if big else LONG
    tags = dict(tags)
    tags[324 if tiled else 273] = (place, *begins)
    tags.setdefault(325 if tiled else 279, (place, *map(len, parts)))
    letters = {1: "B", UNDEFINED: "B", SHORT: "H", LONG: "I", LONG8: "Q", 5: "I"}
    room, entries = 8 if big else 4, b""
    for tag, value in sorted(tags.items()):
        kind, *values = value if isinstance(value, tuple) else (SHORT, value)
        data = struct.pack(f"{order}{len(values)}{letters[kind]}", *values)
        count = len(values) // (2 if kind == 5 else 1)
        if len(data) > room:
            place_of_data = struct.pack(order + ("Q" if big else "I"), len(out))
            out += data + bytes(len(data) % 2)
            data = place_of_data
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count) + data.ljust(room, b"\0")
    directory = struct.pack(order + ("Q" if big else "H"), len(tags)) + entries + bytes(room)
    at = struct.pack(order + ("Q" if big else "I"), len(out))
    head = 8 if big else 4
    return out[:head] + at + out[head + room :] + directory


def packed(row, bits, order):
    """A row [w, samples] as bytes."""
    if bits == 16:
        return row.astype(order + "u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    ones = (row.reshape(-1, 1) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.astype(np.uint8).ravel()).tobytes()


def differences(rows, bits):
    first = np.zeros_like(rows[:, :1])
    return np.diff(rows, axis=1, prepend=first).astype(rows.dtype) if bits >= 8 else rows


def pack_bits(data):
    out, at = b"", 0
    while at < len(data):
        run = 1
        while run < 128 and data[at : at + run + 1] == data[at : at + 1] * (run + 1):
            run += 1
        if run > 1:
            out += bytes([257 - run, data[at]])
        else:
            run = min(100, len(data) - at)
            out += bytes([run - 1]) + data[at : at + run]
        at += run
    return out


def lzw(data):
    """LZW whose table never grows beyond nine bits."""
    codes = []
    for i, byte in enumerate(data):
        if i % 200 == 0:
            codes.append(256)
        codes.append(byte)
    codes.append(257)
    bits = "".join(f"{code:09b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))


def turned_bits(data):
    return np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1]).tobytes()


COMPRESSIONS = {"none": (1, bytes), "lzw": (5, lzw), "deflate": (8, zlib.compress), "old_deflate": (32946, zlib.compress), "packbits": (32773, pack_bits)}


def page(samples, bits, photometric, compression="none", order="<", big=False, tile=None, rows=13, planar=False,
         predictor=False, reversed_bits=False, **more):
    """`samples` [h, w, channels] in the range of `bits`."""
    height, width, channels = samples.shape
    code, compress = COMPRESSIONS[compression]

    def part(block):
        block = differences(block, bits) if predictor else block
        data = compress(b"".join(packed(row, bits, order) for row in block))
        return turned_bits(data) if reversed_bits else data

    across, down = tile or (width, rows)
    planes = [samples[..., c : c + 1] for c in range(channels)] if planar else [samples]
    parts = []
    for plane in planes:
        for top in range(0, height, down):
            for left in range(0, width, across):
                block = plane[top : top + down, left : left + across]
                if tile:
                    block = np.pad(block, ((0, down - block.shape[0]), (0, across - block.shape[1]), (0, 0)), mode="edge")
                parts.append(part(block))
    tags = {256: width, 257: height, 258: (SHORT, *[bits] * channels), 259: code, 262: photometric, 277: channels}
    tags |= {322: across, 323: down} if tile else {278: down}
    tags |= {284: 2} if planar else {}
    tags |= {317: 2} if predictor else {}
    tags |= {266: 2} if reversed_bits else {}
    tags |= {int(name[4:]): value for name, value in more.items()}
    return tiff_bytes(parts, tags, order, big, tile is not None)


def colour_map(bits):
    return (SHORT, *np.random.default_rng(40 + bits).integers(0, 65536, 3 << bits).tolist())


WAYS = {"le": {"order": "<"}, "be": {"order": ">"}, "le_big": {"order": "<", "big": True}}


def orders(**way):
    eight = picture(WIDTH, HEIGHT, 3, 32)
    deep = eight.astype(np.uint16) * 257 ^ 0x35
    yield "gray_16", page(deep[..., :1], 16, 1, **way)
    yield "gray_16_predicted", page(deep[..., :1], 16, 1, "lzw", predictor=True, **way)
    yield "rgb_16", page(deep, 16, 2, **way)
    yield "rgb_16_tiles_predicted", page(deep, 16, 2, "deflate", tile=(32, 16), predictor=True, **way)
    yield "palette_8", page(eight[..., :1], 8, 3, "packbits", tag_320=colour_map(8), **way)
    yield "rgb_8_tiles", page(eight, 8, 2, tile=(16, 32), **way)


def by_hand():
    """What Pillow does not write."""
    eight = picture(WIDTH, HEIGHT, 6, 32)
    deep = eight.astype(np.uint16) * 257 ^ 0x35
    for end, way in WAYS.items():
        yield from ((f"{name}_{end}", data) for name, data in orders(**way))
    yield "gray_16_reversed", page(deep[..., :1], 16, 1, reversed_bits=True)
    yield "gray_16_reversed_lzw", page(deep[..., :1], 16, 1, "lzw", reversed_bits=True)
    for compression in COMPRESSIONS:
        yield f"gray_8_{compression}", page(eight[..., :1], 8, 1, compression)
        yield f"rgb_8_{compression}", page(eight[..., :3], 8, 2, compression)
        yield f"rgb_8_planes_{compression}", page(eight[..., :3], 8, 2, compression, planar=True)
        yield f"rgb_8_planes_tiles_{compression}", page(eight[..., :3], 8, 2, compression, planar=True, tile=(32, 32))
        yield f"rgba_8_tiles_{compression}", page(eight[..., :4], 8, 2, compression, tile=(48, 16), tag_338=2)
        yield f"ycbcr_{compression}", page(eight[..., :3], 8, 6, compression, tag_530=(SHORT, 1, 1))
        for bits in (1, 2, 4):
            small = eight[..., :1] >> (8 - bits)
            yield f"gray_{bits}_{compression}", page(small, bits, 1, compression)
            yield f"white_{bits}_{compression}", page(small, bits, 0, compression)
            yield f"palette_{bits}_{compression}", page(small, bits, 3, compression, tag_320=colour_map(bits))
            yield f"gray_{bits}_tiles_{compression}", page(small, bits, 1, compression, tile=(16, 16))
            yield f"gray_{bits}_reversed_{compression}", page(small, bits, 1, compression, reversed_bits=True)
    yield "white_8", page(eight[..., :1], 8, 0)
    yield "gray_signed_8", page(eight[..., :1], 8, 1, tag_339=2)
    yield "gray_8_reversed", page(eight[..., :1], 8, 1, reversed_bits=True)
    yield "rgb_8_reversed", page(eight[..., :3], 8, 2, reversed_bits=True)
    yield "rgb_8_reversed_lzw", page(eight[..., :3], 8, 2, "lzw", reversed_bits=True)
    yield "palette_8_reversed_deflate", page(eight[..., :1], 8, 3, "deflate", reversed_bits=True, tag_320=colour_map(8))
    for compression in ("none", "deflate"):
        for extra in (0, 2):
            yield f"gray_extra_{extra}_{compression}", page(eight[..., :2], 8, 1, compression, tag_338=extra)
            yield f"palette_extra_{extra}_{compression}", page(eight[..., :2], 8, 3, compression, tag_338=extra, tag_320=colour_map(8))
        yield f"rgba_unmarked_{compression}", page(eight[..., :4], 8, 2, compression)
        for extra in (0, 1, 2, 999):
            yield f"rgb_extra_{extra}_{compression}", page(eight[..., :4], 8, 2, compression, tag_338=extra)
        for extra in (0, 1, 2):
            for more in (1, 2):
                tags = {"tag_338": (SHORT, extra, *[0] * more)}
                yield f"rgb_extra_{extra}_and_{more}_{compression}", page(eight[..., : 4 + more], 8, 2, compression, **tags)
            yield f"rgb_16_extra_{extra}_{compression}", page(deep[..., :4], 16, 2, compression, tag_338=extra)
            yield f"rgb_16_extra_{extra}_be_{compression}", page(deep[..., :4], 16, 2, compression, ">", tag_338=extra)
        yield f"rgba_16_unmarked_{compression}", page(deep[..., :4], 16, 2, compression)
        yield f"cmyk_{compression}", page(eight[..., :4], 8, 5, compression)
        yield f"cmyk_tiles_{compression}", page(eight[..., :4], 8, 5, compression, tile=(32, 16))
        yield f"cmyk_16_{compression}", page(deep[..., :4], 16, 5, compression)
        yield f"cmyk_16_be_{compression}", page(deep[..., :4], 16, 5, compression, ">")
        yield f"cmyk_planes_{compression}", page(eight[..., :4], 8, 5, compression, planar=True)
        for more in (1, 2):
            yield f"cmyk_extra_{more}_{compression}", page(eight[..., : 4 + more], 8, 5, compression, tag_338=(SHORT, *[0] * more))
        yield f"rgba_planes_{compression}", page(eight[..., :4], 8, 2, compression, planar=True, tag_338=2)
    for extra in (0, 2):
        yield f"gray_planes_extra_{extra}", page(eight[..., :2], 8, 1, "deflate", planar=True, tag_338=extra)
    yield "rgb_planes_extra_0", page(eight[..., :4], 8, 2, "deflate", planar=True, tag_338=0)
    yield "rgb_premultiplied_planes", page(eight[..., :4], 8, 2, "deflate", planar=True, tag_338=1)
    yield "rgb_16_premultiplied_planes", page(deep[..., :4], 16, 2, "deflate", planar=True, tag_338=1)
    yield "rgba_16_planes", page(deep[..., :4], 16, 2, "deflate", planar=True, tag_338=2)
    yield "cmyk_16_planes", page(deep[..., :4], 16, 5, "deflate", planar=True)
    yield "palette_planes", page(eight[..., :2], 8, 3, "deflate", planar=True, tag_338=2, tag_320=colour_map(8))
    yield "rgb_16_planes_deflate", page(deep[..., :3], 16, 2, "deflate", planar=True, predictor=True)
    yield "gray_planes_none", page(eight[..., :1], 8, 1, planar=True)
    yield "one_bit_planes_none", page(eight[..., :1] >> 7, 1, 1, planar=True)
    yield "white_4_planes_lzw", page(eight[..., :1] >> 4, 4, 0, "lzw", planar=True)
    yield "rgb_planes_reversed", page(eight[..., :3], 8, 2, "packbits", planar=True, reversed_bits=True)
    yield "rgb_16_planes_be_deflate", page(deep[..., :3], 16, 2, "deflate", ">", planar=True, predictor=True)
    yield "rgb_one_depth_for_all", page(eight[..., :3], 8, 2, tag_258=8)
    yield "rgb_one_strip", page(eight[..., :3], 8, 2, rows=HEIGHT)
    yield "rgb_strips_of_one_row", page(eight[..., :3], 8, 2, "deflate", rows=1)
    yield "rgb_no_rows_per_strip", page(eight[..., :3], 8, 2, "deflate", rows=HEIGHT, tag_278=(LONG, 2**32 - 1))
    yield "rgb_one_large_tile", page(eight[..., :3], 8, 2, "deflate", tile=(128, 64))
    yield "ycbcr_lzw_predicted", page(eight[..., :3], 8, 6, "lzw", predictor=True, tag_530=(SHORT, 1, 1))
    for orientation in range(0, 10):
        yield f"orientation_{orientation}", page(eight[..., :3], 8, 2, "deflate", tag_274=orientation)
        yield f"orientation_{orientation}_none", page(eight[..., :3], 8, 2, "none", tag_274=orientation)


def jpeg_page(image, photometric, rows=16, tile=None, tables=True, whole_last=False, **more):
    """Strips or tiles of JPEG as Pillow writes it, with their tables in the directory."""
    options = {key: more.pop(key) for key in ("quality", "subsampling", "keep_rgb", "progressive", "restart_marker_blocks") if key in more}
    across, down = tile or (image.width, rows)
    parts, common = [], b""
    for top in range(0, image.height, down):
        for left in range(0, image.width, across):
            right = left + across if tile else image.width
            bottom = top + down if tile or whole_last else min(top + down, image.height)
            jpeg = save(image.crop((left, top, right, bottom)), "JPEG", **options)
            if tables:
                common, jpeg = without_tables(jpeg)
            parts.append(jpeg)
    channels = len(image.getbands())
    tags = {256: image.width, 257: image.height, 258: (SHORT, *[8] * channels), 259: 7, 262: photometric, 277: channels}
    tags |= {322: across, 323: down} if tile else {278: down}
    tags |= {347: (UNDEFINED, *common)} if tables else {}
    tags |= {int(name[4:]): value for name, value in more.items()}
    return tiff_bytes(parts, tags, tiled=tile is not None)


def without_tables(jpeg):
    """Its tables as a separate file, and the file without them."""
    tables, rest, at = b"", b"", 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        if jpeg[at + 1] in (0xDB, 0xC4):
            tables += jpeg[at:end]
        else:
            rest += jpeg[at:end]
        at = end
    return b"\xff\xd8" + tables + b"\xff\xd9", b"\xff\xd8" + rest + jpeg[at:]


def of_jpeg():
    image = rgb(101, 75, 33)
    for subsampling in (0, 1, 2):
        ratio = {0: (1, 1), 1: (2, 1), 2: (2, 2)}[subsampling]
        chroma = {"subsampling": subsampling, "tag_530": (SHORT, *ratio)}
        yield f"jpeg_ycc_{subsampling}", jpeg_page(image, 6, **chroma)
        yield f"jpeg_ycc_{subsampling}_tiles", jpeg_page(image, 6, tile=(32, 48), **chroma)
    yield "jpeg_ycc_whole_files", jpeg_page(image, 6, tables=False, subsampling=2, tag_530=(SHORT, 2, 2))
    yield "jpeg_ycc_last_strip_is_whole", jpeg_page(image, 6, whole_last=True, subsampling=2, tag_530=(SHORT, 2, 2))
    yield "jpeg_ycc_one_strip", jpeg_page(image, 6, rows=75, subsampling=2, tag_530=(SHORT, 2, 2), quality=30)
    yield "jpeg_ycc_progressive", jpeg_page(image, 6, tables=False, progressive=True, subsampling=0, tag_530=(SHORT, 1, 1))
    yield "jpeg_ycc_restarts", jpeg_page(image, 6, restart_marker_blocks=2, subsampling=2, tag_530=(SHORT, 2, 2))
    yield "jpeg_rgb", jpeg_page(image, 2, keep_rgb=True)
    yield "jpeg_rgb_tiles", jpeg_page(image, 2, keep_rgb=True, tile=(64, 64))
    # the colour markers of the JPEG itself do not count
    yield "jpeg_rgb_that_is_ycc", jpeg_page(image, 2, subsampling=0)
    yield "jpeg_gray", jpeg_page(image.convert("L"), 1)
    yield "jpeg_white", jpeg_page(image.convert("L"), 0)
    yield "jpeg_cmyk", jpeg_page(Image.fromarray(picture(101, 75, 4, 34), "CMYK"), 5)
    yield "jpeg_reversed", jpeg_page(image, 2, keep_rgb=True, tag_266=2)


def by_pillow():
    image = rgb(143, 119, 35)
    alpha = Image.fromarray(picture(143, 119, 4, 36), "RGBA")
    deep = Image.fromarray(picture(143, 119, 1, 37)[..., 0].astype(np.uint16) * 257 ^ 0x35)
    modes = {
        "1": image.convert("1"), "l": image.convert("L"), "la": alpha.convert("LA"), "p": image.quantize(99),
        "pa": image.quantize(99).convert("PA"), "rgb": image, "rgba": alpha, "rgbx": image.convert("RGBX"),
        "cmyk": image.convert("CMYK"), "ycbcr": image.convert("YCbCr"), "i_16": deep,
    }
    for name, picture_of_mode in modes.items():
        kinds = [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"]
        kinds += ["jpeg"] if name in ("l", "la", "rgb", "rgba", "rgbx", "cmyk", "ycbcr") else []
        for kind in kinds:
            yield f"pillow_{name}_{kind}", save(picture_of_mode, "TIFF", compression=kind)
    # lines of all kinds: noise, letters, stripes, long runs of one colour
    yield from faxes()
    yield from drawings()
    yield "pillow_strips", save(image, "TIFF", compression="tiff_lzw", tiffinfo={278: 7})
    yield "pillow_predicted", save(image, "TIFF", compression="tiff_lzw", tiffinfo={317: 2})
    yield "pillow_big", save(image, "TIFF", big_tiff=True)
    yield "pillow_pages", save(image, "TIFF", save_all=True, append_images=[rgb(99, 88, 38)])


def drawings():
    """Large areas of one colour: strings of LZW that are longer than a row."""
    for name, size in {"icon": (28, 28), "narrow": (8, 64), "page": (1240, 300)}.items():
        blank = Image.new("L", size, 255)
        drawn = blank.copy()
        ImageDraw.Draw(drawn).ellipse((size[0] // 4, 6, size[0] // 2, 20), outline=0)
        for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"):
            for mode in ("1", "L", "P", "RGB"):
                yield f"{name}_{mode}_{kind}".lower(), save(drawn.convert(mode), "TIFF", compression=kind)
            yield f"{name}_blank_{kind}", save(blank.convert("1"), "TIFF", compression=kind)


def faxes():
    noise = np.random.default_rng(39)
    lines = [noise.random(5003) < share for share in (0.5, 0.05, 0.95, 0.002, 0.998, 0, 1) for _ in range(3)]
    for run in range(1, 120):
        lines.append(np.arange(5003) // run % 2 == 1)
    # each length of a run in both colours, and lines that begin and end in both
    for first in range(0, 2700, 61):
        lines.append((np.arange(5003) >= first) & (np.arange(5003) < 2 * first + 3))
        lines.append(~lines[-1])
    drifting = np.arange(5003) // 37 % 2 == 1
    for by in (0, 1, 2, 3, 4, -1, -2, -3, 7, 0, 1):
        lines.append(np.roll(drifting, by))
    page = Image.fromarray(np.array(lines))
    narrow = Image.fromarray(picture(143, 119, 1, 40)[..., 0]).convert("1")
    for name, image in {"lines": page, "dither": narrow}.items():
        for kind in ("tiff_ccitt", "group3", "group4"):
            yield f"fax_{name}_{kind}", save(image, "TIFF", compression=kind)
            yield f"fax_{name}_{kind}_white", save(image, "TIFF", compression=kind, tiffinfo={262: 0})
            yield f"fax_{name}_{kind}_strips", save(image, "TIFF", compression=kind, tiffinfo={278: 16})
        for options in (1, 4, 5):
            yield f"fax_{name}_group3_{options}", save(image, "TIFF", compression="group3", tiffinfo={292: options})
        yield f"fax_{name}_reversed", save(image, "TIFF", compression="group4", tiffinfo={266: 2})


def photograph(path):
    """A photograph in five compressions."""
    image = Image.open(path).convert("RGB")
    for name, of_mode, options in (
        ("lzw", image, {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
        ("deflate", image, {"compression": "tiff_adobe_deflate"}),
        ("packbits", image, {"compression": "packbits"}),
        ("jpeg", image.convert("YCbCr"), {"compression": "jpeg", "quality": 90}),
        ("group4", image.convert("1"), {"compression": "group4"}),
    ):
        yield f"{name}_{path.stem}.tif", save(of_mode, "TIFF", **options)


def tiffs():
    for family in (by_hand, of_jpeg, by_pillow):
        yield from ((f"{name}.tif", data) for name, data in family())
    for path in sorted(FILES.glob("*.tif")):
        yield f"tifffile_{path.name}", path.read_bytes()


def twins():
    """Files that Pillow refuses, each with one of the same pixels that it reads."""
    big_endian = {"order": ">", "big": True}
    for (name, data), (_, twin) in zip(orders(**big_endian), orders()):
        yield f"{name}_be_big.tif", data, twin
    eight = picture(WIDTH, HEIGHT, 4, 32)
    for count, photometric, extra in ((2, 1, 0), (2, 1, 2), (4, 2, 0), (4, 2, 1)):
        tags = {"planar": True, "tag_338": extra}
        pages = [page(eight[..., :count], 8, photometric, kind, **tags) for kind in ("none", "deflate")]
        yield f"{count}_planes_extra_{extra}_none.tif", *pages


def refused():
    """Files that are `unsupported`, whether Pillow reads them or not."""
    eight = picture(WIDTH, HEIGHT, 6, 32)
    deep = eight.astype(np.uint16) * 257
    image = rgb(43, 31, 41)
    yield "white_16", page(deep[..., :1], 16, 0)
    yield "gray_signed_16", page(deep[..., :1], 16, 1, tag_339=2)
    yield "gray_12", page(deep[..., :1], 16, 1, tag_258=12)
    yield "gray_premultiplied", page(eight[..., :2], 8, 1, tag_338=1)
    yield "gray_32", save(image.convert("I"), "TIFF")
    yield "gray_float", save(image.convert("F"), "TIFF")
    yield "lab", page(eight[..., :3], 8, 8)
    yield "mask", page(eight[..., :1] >> 7, 1, 4)
    yield "rgba_planes_unmarked", page(eight[..., :4], 8, 2, "deflate", planar=True)
    yield "rgb_planes_16_none", page(deep[..., :3], 16, 2, planar=True)
    yield "gray_4_planes_none", page(eight[..., :1] >> 4, 4, 1, planar=True)
    yield "white_planes_none", page(eight[..., :1], 8, 0, planar=True)
    yield "rgb_planes_reversed_none", page(eight[..., :3], 8, 2, planar=True, reversed_bits=True)
    yield "rgba_reversed", page(eight[..., :4], 8, 2, "lzw", reversed_bits=True, tag_338=2)
    yield "rgb_16_reversed", page(deep[..., :3], 16, 2, reversed_bits=True)
    yield "ycbcr_planes", page(eight[..., :3], 8, 6, "deflate", planar=True, tag_530=(SHORT, 1, 1))
    yield "ycbcr_422_deflate", page(eight[..., :3], 8, 6, "deflate", tag_530=(SHORT, 2, 1))
    yield "ycbcr_white_point", page(eight[..., :3], 8, 6, "deflate", tag_530=(SHORT, 1, 1), tag_532=(5, 16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1))
    yield "ten_samples", page(np.concatenate([eight, eight], -1)[..., :10], 8, 2)
    yield "old_jpeg", page(eight[..., :3], 8, 6, tag_259=6)
    yield "lzma", save(image, "TIFF", compression="lzma")
    yield "webp", page(eight[..., :3], 8, 2, tag_259=50001)
    yield "jpeg_2000", page(eight[..., :3], 8, 2, tag_259=34712)
    yield "predicted_bits", page(eight[..., :1] >> 4, 4, 1, "lzw", predictor=True)
    yield "raw_photograph", page(eight[..., :3], 8, 2, tag_50706=(1, 1, 4, 0, 0))
    yield "jpeg_rgb_with_small_chroma", jpeg_page(image, 2, subsampling=2)
