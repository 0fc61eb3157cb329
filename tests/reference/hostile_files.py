"""Writes hostile files: `hostile_files.py OUT`.

OUT/expect.tsv has a line for each: file, expected result, and reason. `decode` is a row, `any` a row or an error of any
kind but a panic, `tar…` is for the reader of archives; every other word is an error kind.
"""

import io
import random
import struct
import sys
import tarfile
import zlib
from pathlib import Path

from PIL import Image

BLOCK = 1 << 20


def zeros(length):
    """Zero bytes as a zlib stream, fast: one compressed block again and again, and the checksum that is known."""
    def compressed(size, end):
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(bytes(size)) + deflate.flush(end)

    block = compressed(BLOCK, zlib.Z_FULL_FLUSH)
    last = compressed(length % BLOCK, zlib.Z_FINISH)
    checksum = struct.pack(">HH", length % 65521, 1)
    return b"\x78\xda" + block * (length // BLOCK) + last + checksum


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width, height, stream, *between, depth=8, colour=2):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *between, chunk(b"IDAT", stream), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bmp(width, height):
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


GIF_FRAME = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"


def gif(side, frames):
    screen = struct.pack("<HHBBB", side, side, 0x80, 0, 0)
    return b"GIF89a" + screen + b"\0\0\0\xff\xff\xff" + GIF_FRAME * frames + b";"


def encoded(image, kind, **options):
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def picture(noise):
    return Image.frombytes("RGB", (320, 240), noise.randbytes(320 * 240 * 3)).resize((640, 480))


def segments(jpeg):
    """Marker, begin and end of each segment of a JPEG; that of a scan ends where its data does."""
    at = 2
    while at < len(jpeg) - 2:
        marker, length = jpeg[at + 1], struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
        end = at + 2 + length
        if marker == 0xDA:
            while not (jpeg[end] == 0xFF and jpeg[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
        yield marker, at, end
        at = end


def claiming(jpeg, width, height):
    at = next(begin for marker, begin, _ in segments(jpeg) if marker in (0xC0, 0xC2))
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def many_scans(progressive, scans):
    jpeg = claiming(progressive, 7000, 7000)
    first = next(begin for marker, begin, _ in segments(jpeg) if marker == 0xDA)
    header = struct.unpack(">H", jpeg[first + 2 : first + 4])[0] + 2
    return jpeg[:first] + (jpeg[first : first + header] + bytes(4)) * scans + b"\xff\xd9"


def flipped(data, begin, noise):
    data = bytearray(data)
    data[noise.randrange(begin, len(data))] ^= 1 << noise.randrange(8)
    return bytes(data)


def bombs():
    tiny, text = zlib.compress(bytes(52)), b"k\0\0" + zeros(1 << 30)
    yield "bomb_png_1bit_50000x50000.png", png(50_000, 50_000, zeros(50_000 * 6251), depth=1, colour=0), "limit", "2.5 Gpx"
    yield "bomb_png_rgb_20000x20000.png", png(20_000, 20_000, zeros(20_000 * 60_001)), "limit", "1.2 GB of pixels"
    yield "bomb_png_header_only_2G.png", png(2**31 - 1, 2**31 - 1, zlib.compress(b"\0")), "limit", "a header alone"
    yield "png_100Mpx_gray.png", png(10_000, 10_000, zeros(10_000 * 10_001), colour=0), "limit", "twice the limit"
    yield "png_idat_longer_than_image.png", png(4, 4, zeros(200 << 20)), "decode", "200 MB more than the image needs"
    yield "png_ztxt_bomb.png", png(4, 4, tiny, chunk(b"zTXt", text)), "decode", "1 GiB of text"
    yield "png_iccp_bomb.png", png(4, 4, tiny, chunk(b"iCCP", text)), "decode", "1 GiB of colour profile"
    yield "png_100k_text_chunks.png", png(4, 4, tiny, chunk(b"tEXt", b"k\0v") * 100_000), "decode", "many chunks"
    yield "png_zero_dim.png", png(0, 10, zlib.compress(b"")), "corrupt", "no width"
    endless = b"\x89PNG\r\n\x1a\n" + png(4, 4, b"")[8:33] + b"\xff\xff\xff\xffIDAT" + bytes(64)
    yield "png_chunk_len_4G.png", endless, "corrupt", "a chunk of 4 GiB"
    yield "bmp_claim_30000x30000.bmp", bmp(30_000, 30_000), "limit", "a header alone"
    yield "bmp_neg_height_min.bmp", bmp(1, -(2**31)), "corrupt", "a height that has no negative"
    yield "gif_65535_screen_1px_frame.gif", gif(65_535, 1), "limit", "4.3 Gpx of canvas"
    yield "gif_200k_frames.gif", gif(1, 200_000), "decode", "only the first frame counts"
    yield "gifar.gif", gif(1, 1) + b"PK\x03\x04" + b"x" * 500, "decode", "an archive after it"
    flat = Image.new("RGB", (4096, 4096))
    yield "webp_16Mpx_flat.webp", encoded(flat, "WEBP", lossless=True), "decode", "16.8 Mpx from some hundred bytes"


def jpegs(image, noise):
    baseline, progressive = encoded(image, "JPEG", quality=90), encoded(image, "JPEG", quality=90, progressive=True)
    yield "jpeg_ok_baseline.jpg", baseline, "decode", ""
    yield "jpeg_ok_progressive.jpg", progressive, "decode", ""
    yield "jpeg_ok_cmyk.jpg", encoded(image.convert("CMYK"), "JPEG"), "decode", "inverted, as Adobe has it"
    yield "jpeg_ok_gray.jpg", encoded(image.convert("L"), "JPEG"), "decode", ""
    for part in (1, 2, 4, 8, 12, 14, 15):
        for name, data in (("jpeg", baseline), ("jpegprog", progressive)):
            yield f"{name}_trunc_{part:02}of16.jpg", data[: len(data) * part // 16], "truncated", ""
    yield "jpeg_missing_eoi.jpg", baseline[:-2], "truncated", "Pillow refuses it too"
    yield "jpeg_claim_65500x65500.jpg", claiming(baseline, 65_500, 65_500), "limit", "4.3 Gpx"
    yield "jpeg_claim_0_height.jpg", claiming(baseline, 640, 0), "corrupt", "its height would come later"
    yield "jpegprog_5000_scans_7000x7000.jpg", many_scans(progressive, 5000), "limit", "49 Mpx, again and again"
    padding = (b"\xff\xe1\xff\xff" + bytes(65_533)) * 128
    yield "jpeg_app_padding_8MB.jpg", baseline[:2] + padding + baseline[2:], "decode", "8 MB before the header"
    yield "jpeg_trailing_zip.jpg", baseline + b"PK\x03\x04" + b"x" * 1000, "decode", "an archive after it"
    for orientation in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65_535):
        exif = Image.Exif()
        exif[0x112] = orientation
        yield f"jpeg_exif_orient_{orientation}.jpg", encoded(image, "JPEG", exif=exif), "decode", ""
    yield "ffd8_only.jpg", b"\xff\xd8", "corrupt", "the first two bytes of a JPEG"
    for number in range(64):
        yield f"jpeg_bitflip_{number:02}.jpg", flipped(baseline, 2, noise), "any", ""


def pngs(image, noise):
    yield "png_ok_gray16.png", encoded(Image.new("I;16", (64, 64), 40_000), "PNG"), "decode", ""
    yield "png_ok_rgba.png", encoded(image.convert("RGBA"), "PNG"), "decode", ""
    yield "png_ok_palette.png", encoded(image.convert("P"), "PNG"), "decode", ""
    yield "png_ok_1x1.png", encoded(Image.new("RGB", (1, 1)), "PNG"), "decode", ""
    yield "png_ok_20000x1.png", encoded(Image.new("RGB", (20_000, 1)), "PNG"), "decode", "computed only where cropped"
    whole = encoded(image, "PNG")
    for number in range(64):
        yield f"png_bitflip_{number:02}.png", flipped(whole, 8, noise), "corrupt", "each chunk has a checksum"


def no_images(noise):
    for name, data in {
        "empty.jpg": b"",
        "html_as.jpg": b"<!DOCTYPE html><html>403</html>",
        "s3_error_as.jpg": b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>',
        "svg_as.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "eps_as.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n",
        "random_64k.jpg": b"\0" + noise.randbytes(65_535),
        "lfs_pointer.jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    }.items():
        yield name, data, "unsupported", "no image"


def tars(image):
    jpeg = encoded(image, "JPEG", quality=90)
    file, link, hard, fifo = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE
    names = ["ok/0001.jpg", "../../etc/evil.jpg", "/abs/evil.jpg", "dup.jpg", "dup.jpg", "nul\nline.jpg", "é/ü.jpg"]
    members = [(name, file) for name in [*names, "a" * 300 + ".jpg"]]
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind in [*members, ("link.jpg", link), ("hard.jpg", hard), ("fifo.jpg", fifo)]:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, len(jpeg) if kind == file else 0
            member.linkname = "/etc/passwd" if kind in (link, hard) else ""
            archive.addfile(member, io.BytesIO(jpeg))
    whole = data.getvalue()
    yield "tar_hostile_members.tar", whole, "tar", "names are opaque; links are left out; a name may come twice"
    yield "tar_truncated_mid_member.tar", whole[: len(whole) // 2], "tar error", "no silent end"
    yield "tar_bad_checksum.tar", whole[:148] + b"0000000\0" + whole[156:], "tar error", ""
    header = bytearray(whole[:512])
    header[124:136], header[148:156] = b"77777777777\0", b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    yield "tar_claims_8GiB_member.tar", bytes(header) + b"x" * 1000, "tar error", "nothing is allocated for it"


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    noise = random.Random(7)
    image = picture(noise)
    lines = []
    for files in (bombs(), jpegs(image, noise), pngs(image, noise), no_images(noise), tars(image)):
        for name, data, expected, why in files:
            (out / name).write_bytes(data)
            lines.append(f"{name}\t{expected}\t{why}\n")
    (out / "expect.tsv").write_text("".join(lines))
    print(len(lines))


if __name__ == "__main__":
    main()
