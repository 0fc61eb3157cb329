"""Images of every variety that is read, for pillow_crops.py. What Pillow cannot write is encoded here by hand.

Each family yields (file name, bytes).
"""
import io
import struct
import zlib

import numpy as np
from baseline_jpeg import baseline_jpeg
from lossless_jpeg import lossless_jpeg
from PIL import Image


def picture(width, height, channels=3, seed=0):
    """Waves, edges and noise, so that every part of a codec has work to do."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = []
    for c in range(channels):
        wave = 127 + 90 * np.sin(x / (5 + 3 * c) + c) * np.cos(y / (7 - c))
        edge = 60.0 * ((x // 11 + y // 9 + c) % 2)
        planes.append(wave + edge - 30 + noise.normal(0, 12, x.shape))
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def rgb(width, height, seed=0):
    return Image.fromarray(picture(width, height, 3, seed))


def save(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


# ---- JPEG


def without_adobe(jpeg):
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def with_transform(jpeg, transform):
    at = jpeg.index(b"Adobe") + 11
    return jpeg[:at] + bytes([transform]) + jpeg[at + 1 :]


def jpegs():
    image = rgb(333, 251, 1)
    ycc = np.asarray(image.convert("YCbCr"))[:163, :217]
    planes = [ycc[..., c] for c in range(3)]
    inks = Image.fromarray(picture(187, 141, 4, 2), "CMYK")
    yield "444.jpg", save(image, "JPEG", quality=90, subsampling=0)
    yield "422.jpg", save(image, "JPEG", quality=85, subsampling=1)
    yield "420.jpg", save(image, "JPEG", quality=75, subsampling=2)
    yield "420_wide.jpg", save(rgb(640, 37, 3), "JPEG", subsampling=2)
    yield "420_tall.jpg", save(rgb(29, 700, 4), "JPEG", subsampling=2)
    # where Pillow resizes vertically first
    yield "tall_enough.jpg", save(rgb(300, 701, 24), "JPEG")
    yield "portrait.jpg", save(rgb(375, 500, 25), "JPEG")
    yield "440.jpg", baseline_jpeg(planes, [(1, 2), (1, 1), (1, 1)])
    yield "411.jpg", baseline_jpeg(planes, [(4, 1), (1, 1), (1, 1)])
    yield "410.jpg", baseline_jpeg(planes, [(4, 2), (1, 1), (1, 1)])
    yield "mixed_sampling.jpg", baseline_jpeg(planes, [(2, 2), (2, 1), (1, 2)])
    yield "gray.jpg", save(image.convert("L"), "JPEG")
    yield "gray_1x1.jpg", save(rgb(1, 1).convert("L"), "JPEG")
    yield "1x1.jpg", save(rgb(1, 1), "JPEG")
    yield "7x3.jpg", save(rgb(7, 3), "JPEG", subsampling=2)
    yield "256x256.jpg", save(rgb(256, 256, 5), "JPEG")
    yield "rgb_not_ycc.jpg", save(image, "JPEG", keep_rgb=True)
    yield "progressive.jpg", save(image, "JPEG", progressive=True)
    yield "progressive_gray.jpg", save(image.convert("L"), "JPEG", progressive=True, quality=30)
    yield "optimised_quality_5.jpg", save(image, "JPEG", optimize=True, quality=5)
    # values of many bits
    yield "quality_100.jpg", save(image, "JPEG", quality=100, subsampling=0)
    yield "restarts_of_rows.jpg", save(rgb(640, 400, 26), "JPEG", quality=95, restart_marker_rows=1)
    yield "restarts.jpg", save(image, "JPEG", restart_marker_blocks=3)
    yield "restarts_progressive.jpg", save(image, "JPEG", restart_marker_rows=1, progressive=True)
    cmyk = save(inks, "JPEG", quality=92)
    yield "cmyk_adobe.jpg", cmyk
    yield "cmyk_unmarked.jpg", without_adobe(cmyk)
    yield "ycck_adobe.jpg", with_transform(cmyk, 2)
    yield "cmyk_progressive.jpg", save(inks, "JPEG", progressive=True)
    yield "ycck_420.jpg", baseline_jpeg(planes + [planes[0][::-1]], [(2, 2), (1, 1), (1, 1), (2, 2)], adobe=2)
    samples = [np.asarray(inks)[..., c] for c in range(4)]
    yield "lossless.jpg", lossless_jpeg(samples[:3], 4)
    yield "lossless_gray.jpg", lossless_jpeg(samples[:1], 7)
    yield "lossless_cmyk.jpg", lossless_jpeg(samples, 1)
    yield "lossless_apart.jpg", lossless_jpeg(samples[:3], 6, restart_rows=20, scans="apart")


# ---- PNG of every colour type and depth, interlaced or not

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png_bytes(samples, depth, colour, interlace=False, palette=None, trns=None, extra=()):
    """`samples` [h, w, channels] in the file's own range."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def rows(part):
        for row in part:
            if depth == 16:
                data = row.astype(">u2").tobytes()
            elif depth == 8:
                data = row.astype(np.uint8).tobytes()
            else:
                bits = (row.reshape(-1, 1) >> np.arange(depth - 1, -1, -1)) & 1
                data = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
            yield b"\0" + data

    height, width = samples.shape[:2]
    if interlace:
        parts = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        parts = [part for part in parts if part.size]
    else:
        parts = [samples]
    out = b"\x89PNG\r\n\x1a\n"
    out += chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlace)))
    for kind, data in extra:
        out += chunk(kind, data)
    if palette is not None:
        out += chunk(b"PLTE", palette)
    if trns is not None:
        out += chunk(b"tRNS", trns)
    out += chunk(b"IDAT", zlib.compress(b"".join(row for part in parts for row in rows(part))))
    return out + chunk(b"IEND", b"")


def pngs():
    image = rgb(211, 157, 6)
    alpha = Image.fromarray(picture(211, 157, 4, 7), "RGBA")
    indexed = image.quantize(64)
    yield "rgb.png", save(image, "PNG")
    yield "rgba.png", save(alpha, "PNG")
    yield "gray_alpha.png", save(alpha.convert("LA"), "PNG")
    yield "palette.png", save(indexed, "PNG")
    yield "palette_one_transparent.png", save(indexed, "PNG", transparency=3)
    yield "palette_many_transparent.png", save(indexed, "PNG", transparency=bytes(range(0, 252, 4)))
    yield "one_bit.png", save(image.convert("1"), "PNG")
    yield "1x1.png", save(rgb(1, 1), "PNG")
    yield "400x2.png", save(rgb(400, 2, 8), "PNG")
    yield "2x400.png", save(rgb(2, 400, 9), "PNG")
    deep = picture(61, 47, 4, 10).astype(np.uint16) * 257 ^ 0x35
    shallow = picture(61, 47, 1, 11)
    colours = np.random.default_rng(12).integers(0, 256, 768, np.uint8).tobytes()
    channels = {0: 1, 2: 3, 4: 2, 6: 4}
    for interlace in (False, True):
        tail = "_interlaced.png" if interlace else ".png"
        for depth in (1, 2, 4, 8):
            small = shallow >> (8 - depth)
            yield f"gray_{depth}{tail}", png_bytes(small, depth, 0, interlace)
            yield f"palette_{depth}{tail}", png_bytes(small, depth, 3, interlace, colours[: 3 << depth])
            # a palette that ends before its indices do
            yield f"palette_{depth}_short{tail}", png_bytes(small, depth, 3, interlace, colours[: 3 << depth >> 1])
        for colour, count in channels.items():
            yield f"deep_{colour}{tail}", png_bytes(deep[..., :count], 16, colour, interlace)
            yield f"bytes_{colour}{tail}", png_bytes(deep[..., :count] >> 8, 8, colour, interlace)
    yield "gray_colour_key.png", png_bytes(shallow, 8, 0, trns=struct.pack(">H", int(shallow[0, 0, 0])))
    yield "gray_16_colour_key.png", png_bytes(deep[..., :1], 16, 0, trns=struct.pack(">H", int(deep[0, 0, 0])))
    yield "rgb_colour_key.png", png_bytes(deep[..., :3] >> 8, 8, 2, trns=struct.pack(">HHH", 1, 2, 3))
    yield "animated.png", save(image, "PNG", save_all=True, append_images=[rgb(211, 157, 13)])
    yield from animations(image)
    note = [(b"tEXt", b"k\0v"), (b"iCCP", b"p\0\0" + zlib.compress(bytes(200)))]
    yield "with_text_and_profile.png", png_bytes(shallow, 8, 0, extra=note)


def animations(image):
    """APNGs whose default image Pillow shows although their chunks are out of order."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def chunks(png):
        at = 8
        while at < len(png):
            end = at + 12 + struct.unpack(">I", png[at : at + 4])[0]
            yield png[at + 4 : at + 8], png[at + 8 : end - 4]
            at = end

    def control(number, size=image.size, at=(0, 0)):
        return b"fcTL", struct.pack(">IIIIIHHBB", number, *size, *at, 1, 10, 0, 0)

    def data(number, content):
        return b"fdAT", struct.pack(">I", number) + content

    still = list(chunks(save(image, "PNG")))
    head, body, end = still[:1], [part for part in still if part[0] == b"IDAT"], still[-1:]
    frame = b"".join(part for kind, part in chunks(save(rgb(*image.size, 13), "PNG")) if kind == b"IDAT")
    counted = [(b"acTL", struct.pack(">II", 3, 0))]
    orders = {
        "gap": [control(0), *body, control(1), data(2, frame), control(5), data(6, frame)],
        "repeated": [control(0), *body, control(1), data(1, frame), control(1), data(2, frame)],
        "reordered": [control(0), *body, control(3), data(4, frame), control(1), data(2, frame)],
        "data_before_control": [control(0), *body, data(1, frame), control(2), data(3, frame)],
        "data_before_its_control": [control(0), *body, control(2), data(1, frame), control(3), data(4, frame)],
        "frame_without_control": [control(0), *body, data(1, frame), data(2, frame)],
        "frame_without_data": [control(0), *body, control(1), control(2), data(3, frame)],
        "image_that_is_no_frame": [*body, control(4), data(7, frame)],
        "frame_beyond_the_image": [control(0), *body, control(1, at=(9, 9)), data(2, frame)],
    }
    for name, parts in orders.items():
        yield f"animated_{name}.png", b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in head + counted + parts + end)


# ---- GIF


def moved(gif, screen, at):
    """The same frame on another logical screen, with its corner elsewhere."""
    gif = bytearray(gif)
    gif[6:10] = struct.pack("<HH", *screen)
    place = gif.index(b",", 13 + (3 << (gif[10] & 7) + 1 if gif[10] & 128 else 0))
    gif[place + 1 : place + 5] = struct.pack("<HH", *at)
    return bytes(gif)


def gifs():
    image = rgb(143, 119, 14)
    indexed = image.quantize(100)
    plain = save(indexed, "GIF")
    transparent = save(indexed, "GIF", transparency=5)
    yield "plain.gif", plain
    yield "not_interlaced.gif", save(indexed, "GIF", interlace=0)
    yield "transparent.gif", transparent
    yield "gray.gif", save(image.convert("L"), "GIF")
    yield "one_bit.gif", save(image.convert("1"), "GIF")
    yield "small_frame.gif", moved(plain, (200, 180), (30, 40))
    yield "small_frame_transparent.gif", moved(transparent, (200, 180), (57, 0))
    yield "frame_beyond_screen.gif", moved(plain, (100, 130), (20, 10))
    yield "frame_beyond_screen_transparent.gif", moved(transparent, (100, 130), (20, 10))
    frames = [rgb(143, 119, seed).quantize(32) for seed in (15, 16, 17)]
    yield "animated.gif", save(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50, disposal=2)
    yield "1x1.gif", save(indexed.crop((0, 0, 1, 1)), "GIF")
    # a palette of 4 colours for indices up to 7, and the frame's own palette over the screen's
    colours = bytes(range(40, 64))
    frame = lzw([0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4], 3)
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x80 | 1, 0, 0) + colours[:12]
    yield "indices_beyond_palette.gif", head + b"," + struct.pack("<HHHHB", 0, 0, 4, 3, 0) + frame + b";"
    ramp = b"GIF89a" + struct.pack("<HHBBB", 4, 3, 0x80 | 1, 0, 0) + bytes(i // 3 for i in range(12))
    yield "indices_beyond_ramp.gif", ramp + b"," + struct.pack("<HHHHB", 0, 0, 4, 3, 0) + frame + b";"
    local = struct.pack("<HHHHB", 0, 0, 4, 3, 0x80 | 2) + colours
    yield "local_palette.gif", head + b"," + local + frame + b";"


def lzw(indices, bits):
    """LZW without any compression: a clear code comes before the table could widen the codes."""
    clear, out = 1 << bits, []
    for i, index in enumerate(indices):
        if i % (clear - 2) == 0:
            out.append(clear)
        out.append(index)
    out.append(clear + 1)
    value = sum(code << (bits + 1) * i for i, code in enumerate(out))
    data = value.to_bytes(-(-(bits + 1) * len(out) // 8), "little")
    return bytes([bits, len(data)]) + data + b"\0"


# ---- BMP


def bmp_bytes(rows, width, height, bits, compression=0, palette=b"", masks=b"", top_down=False, header=40, colours=0):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        signed = -height if top_down else height
        info = struct.pack("<IiiHHIIiiII", header, width, signed, 1, bits, compression, len(rows), 2835, 2835, colours, 0)
        info += masks + bytes(header - 40 - len(masks) if header > 40 else 0)
    offset = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + info + palette + rows


def padded(rows):
    return b"".join(row + bytes(-len(row) % 4) for row in rows)


def bmps():
    image = rgb(101, 67, 18)
    yield "24.bmp", save(image, "BMP")
    yield "32.bmp", save(Image.fromarray(picture(101, 67, 4, 19), "RGBA"), "BMP")
    yield "8_palette.bmp", save(image.quantize(77), "BMP")
    yield "8_gray.bmp", save(image.convert("L"), "BMP")
    yield "1.bmp", save(image.convert("1"), "BMP")
    random = np.random.default_rng(20)
    width, height = 61, 43
    colours = random.integers(0, 256, 1024, np.uint8).tobytes()
    low = random.integers(0, 16, (height, width), np.uint8)
    even = np.pad(low, ((0, 0), (0, 1)))
    nibbles = [(row[0::2] << 4 | row[1::2]).astype(np.uint8).tobytes() for row in even]
    yield "4_palette.bmp", bmp_bytes(padded(nibbles), width, height, 4, palette=colours[:64])
    yield "4_core_header.bmp", bmp_bytes(padded(nibbles), width, height, 4, palette=colours[:48], header=12)
    yield "1_palette.bmp", bmp_bytes(
        padded([np.packbits(row & 1).tobytes() for row in low]), width, height, 1, palette=colours[:8]
    )
    full = random.integers(0, 65536, (height, width)).astype("<u2")
    packed = padded([row.tobytes() for row in full])
    yield "16_555.bmp", bmp_bytes(packed, width, height, 16)
    yield "16_565.bmp", bmp_bytes(packed, width, height, 16, 3, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F), header=56)
    yield "16_565_short_header.bmp", bmp_bytes(
        packed, width, height, 16, 3, palette=struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    )
    wide = random.integers(0, 256, (height, width, 4), np.uint8).tobytes()
    orders = {
        "bgrx": (0xFF0000, 0xFF00, 0xFF, 0),
        "rgba": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        "xbgr": (0xFF000000, 0xFF0000, 0xFF00, 0),
        "zeros": (0, 0, 0, 0),
    }
    for name, masks in orders.items():
        yield f"32_{name}.bmp", bmp_bytes(wide, width, height, 32, 3, masks=struct.pack("<IIII", *masks), header=108)
    three = padded([bytes(random.integers(0, 256, width * 3, np.uint8)) for _ in range(height)])
    yield "24_top_down.bmp", bmp_bytes(three, width, height, 24, top_down=True)
    # 61 pixels of 3 bytes have one byte of padding, 61 nibbles one, 61 bits none, 43 pixels of 2 bytes two
    whole = bmp_bytes(three, width, height, 24)
    yield "24_one_byte_short.bmp", whole[:-1]
    yield "24_top_down_one_byte_short.bmp", bmp_bytes(three, width, height, 24, top_down=True)[:-1]
    yield "4_one_byte_short.bmp", bmp_bytes(padded(nibbles), width, height, 4, palette=colours[:64])[:-1]
    odd = padded([row[:43].tobytes() for row in full])
    for short in (1, 2):
        yield f"16_{short}_bytes_short.bmp", bmp_bytes(odd, 43, height, 16)[:-short]
    # runs, literals of odd length and a jump
    eight = b"".join(
        bytes([20, i, 0, 5, 9, 8, 7, 6, 5, 0, 0, 2, 10, 0, 26, 255 - i, 0, 0]) for i in range(height)
    ) + b"\0\1"
    yield "8_runs.bmp", bmp_bytes(eight, width, height, 8, 1, palette=colours)
    four = b"".join(bytes([41, 0x1E ^ i % 16, 0, 5, 0x12, 0x34, 0x50, 0, 15, 0x77, 0, 0]) for i in range(height)) + b"\0\1"
    yield "4_runs.bmp", bmp_bytes(four, width, height, 4, 2, palette=colours[:64])


# ---- WebP


def webps():
    image, alpha = rgb(233, 187, 21), Image.fromarray(picture(233, 187, 4, 22), "RGBA")
    smooth = image.resize((60, 48)).resize((233, 187), Image.Resampling.BICUBIC)
    yield "lossy_80.webp", save(image, "WEBP", quality=80)
    yield "lossy_10.webp", save(image, "WEBP", quality=10)
    yield "lossy_smooth.webp", save(smooth, "WEBP", quality=90)
    yield "lossy_alpha.webp", save(alpha, "WEBP", quality=80)
    yield "lossless.webp", save(image, "WEBP", lossless=True)
    yield "lossless_alpha.webp", save(alpha, "WEBP", lossless=True, exact=True)
    yield "lossless_palette.webp", save(image.quantize(9).convert("RGB"), "WEBP", lossless=True)
    yield "animated.webp", save(image, "WEBP", save_all=True, append_images=[smooth], lossless=True)
    yield "1x1.webp", save(rgb(1, 1), "WEBP")
    yield from webp_animations(smooth)


def webp_animations(opaque):
    """Animations whose first frame has alpha, or does not cover the canvas, with each way to blend and dispose."""

    def chunk(name, data):
        return name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)

    def u24(value):
        return struct.pack("<I", value)[:3]

    def images(still):
        """The chunks of a still image that have its pixels and its alpha."""
        at = 12
        while at < len(still):
            end = at + 8 + (struct.unpack("<I", still[at + 4 : at + 8])[0] + 1 & ~1)
            if still[at : at + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
                yield still[at:end]
            at = end

    def animation(canvas, frames, alpha):
        body = chunk(b"VP8X", bytes([0x12 if alpha else 2, 0, 0, 0]) + u24(canvas[0] - 1) + u24(canvas[1] - 1))
        body += chunk(b"ANIM", b"\x10\x20\x30\xff\0\0")
        for still, size, place, ways in frames:
            head = u24(place[0] // 2) + u24(place[1] // 2) + u24(size[0] - 1) + u24(size[1] - 1) + u24(100)
            body += chunk(b"ANMF", head + bytes([ways]) + b"".join(images(still)))
        return chunk(b"RIFF", b"WEBP" + body)

    size = (141, 118)
    pixels = picture(*size, 4, 29)
    pixels[:30, :, 3], pixels[30:60, :, 3] = 0, 255
    alpha = Image.fromarray(pixels, "RGBA")
    stills = {
        "lossless": save(alpha, "WEBP", lossless=True, exact=True),
        "lossy": save(alpha, "WEBP", quality=70),
        "opaque_lossless": save(opaque.resize(size), "WEBP", lossless=True),
        "opaque_lossy": save(opaque.resize(size), "WEBP", quality=70),
        "flat": save(Image.new("RGB", size, (9, 99, 199)), "WEBP", lossless=True),
    }
    for name, still in stills.items():
        for ways in range(4):
            first = (still, size, (0, 0), ways)
            second = (stills["opaque_lossy"], size, (0, 0), 0)
            yield f"animated_{name}_{ways}.webp", animation(size, [first, second], not name.startswith("opaque"))
        for way, part in enumerate([(0, 0), (20, 44), (160, 90)]):
            first = (still, size, part, way)
            yield f"animated_{name}_part_{way}.webp", animation((301, 208), [first], not name.startswith("opaque"))
    # as an encoder writes them, which crops a frame to its opaque part
    frames = [Image.fromarray(picture(*size, 4, seed), "RGBA") for seed in (30, 31)]
    for frame in frames:
        frame.putalpha(Image.linear_gradient("L").resize(size).point(lambda shade: max(shade - 90, 0)))
    for name, options in {"lossless": {"lossless": True, "exact": True}, "lossy": {"quality": 60}}.items():
        yield f"animated_faded_{name}.webp", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], **options)
    # a canvas whose header states that it has no alpha
    yield "animated_undeclared_alpha.webp", animation(size, [(stills["lossless"], size, (0, 0), 0)], False)
    yield "animated_undeclared_alpha_lossy.webp", animation(size, [(stills["lossy"], size, (0, 0), 0)], False)


def turned():
    """Files with an orientation: their pixels are shown turned or mirrored."""
    image = rgb(90, 61, 23)
    for orientation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation_{orientation}.jpg", save(image, "JPEG", exif=exif)
        if orientation in (3, 6):
            yield f"orientation_{orientation}.png", save(image, "PNG", exif=exif)
            yield f"orientation_{orientation}.webp", save(image, "WEBP", lossless=True, exif=exif)


FAMILIES = (jpegs, pngs, gifs, bmps, webps)
