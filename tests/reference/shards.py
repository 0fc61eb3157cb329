"""Writes the tar shards of `datasets.py` again: with texts that are not beside their image, with several archives in one
file, and compressed. By Python's `tarfile`, `gzip`, and the programs `tar`, `gzip` and `zstd`.

    shards.py apart SHARDS OUT      a folder for each order of the members
    shards.py packed SHARDS OUT     a folder for each way to compress
    shards.py cut SHARDS OUT        one compressed shard, and the same one cut in the middle
    shards.py unequal OUT IMAGE     a shard whose texts and images of one name differ in number

The images of every shard keep their order.
"""

import gzip
import io
import json
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

TEXTS = (".cls", ".json", ".txt")


def members(shard):
    with tarfile.open(shard) as tar:
        return [(info, tar.extractfile(info).read() if info.isfile() else None) for info in tar.getmembers()]


def is_text(member):
    return member[0].name.endswith(TEXTS)


def write(path, found, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as tar:
        for info, data in found:
            tar.addfile(info, None if data is None else io.BytesIO(data))


def by_tar(path, found):
    """The program `tar`: the images, and then the texts appended to the same file."""
    folder = path.parent / "files"
    lists = {True: [], False: []}
    for member in found:
        info, data = member
        if data is None:
            continue
        (folder / info.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / info.name).write_bytes(data)
        lists[is_text(member)].append(info.name)
    for flag, names in (("-cf", lists[False]), ("-rf", lists[True])):
        names = "".join(f"{name}\n" for name in names)
        command = ["tar", flag, str(path), "-C", str(folder), "--verbatim-files-from", "-T", "-"]
        subprocess.run(command, input=names.encode(), check=True)


def apart(shards, out):
    for shard in sorted(shards.glob("*.tar")):
        found = members(shard)
        images = [member for member in found if not is_text(member)]
        texts = [member for member in found if is_text(member)]
        half = len(images) // 2
        write(out / "texts_last" / shard.name, images + texts)
        write(out / "texts_first" / shard.name, texts + images, format=tarfile.PAX_FORMAT)
        write(out / "backwards" / shard.name, images + texts[::-1], format=tarfile.GNU_FORMAT)
        write(out / "interleaved" / shard.name, texts[::2] + images[:half] + texts[1::2] + images[half:])
        # from the middle on
        middle = len(found) // 2
        rest = found[middle:]
        write(out / "later" / shard.name, found[:middle] + sorted(rest, key=is_text))
        one, two = out / "one.tar", out / "two.tar"
        write(one, images)
        write(two, texts)
        (out / "concatenated").mkdir(exist_ok=True)
        (out / "concatenated" / shard.name).write_bytes(one.read_bytes() + two.read_bytes())
        one.unlink()
        two.unlink()
        (out / "by_tar").mkdir(exist_ok=True)
        by_tar(out / "by_tar" / shard.name, found)
    subprocess.run(["rm", "-r", str(out / "by_tar/files")], check=True)
    print(len(list(out.iterdir())))


def by(program, data):
    return subprocess.run([program, "-c"], input=data, capture_output=True, check=True).stdout


def skippable(data):
    return struct.pack("<II", 0x184D2A57, len(data)) + data


def packed(shards, out):
    for number, shard in enumerate(sorted(shards.glob("*.tar"))):
        found = members(shard)
        stem = shard.name.removesuffix(".tar")
        if number % 2:
            plain = io.BytesIO()
            with tarfile.open(fileobj=plain, mode="w") as tar:
                for info, data in sorted(found, key=is_text):
                    tar.addfile(info, None if data is None else io.BytesIO(data))
            plain = plain.getvalue()
        else:
            plain = shard.read_bytes()
        third = len(plain) // 3
        pieces = [plain[:third], plain[third : 2 * third], plain[2 * third :]]
        ways = {
            "gzip/.tar.gz": gzip.compress(plain),
            "members/.tgz": b"".join(by("gzip", piece) for piece in pieces),
            "zstd/.tar.zst": by("zstd", plain),
            "frames/.tar.zst": skippable(b"index") + by("zstd", pieces[0]) + skippable(b"")
            + b"".join(by("zstd", piece) for piece in pieces[1:]) + skippable(bytes(1000)),
            # the bytes decide, not the name
            "mixed/.tar": [gzip.compress(plain), by("zstd", plain), plain][number % 3],
        }  # fmt: skip
        for way, data in ways.items():
            folder, ending = way.split("/")
            (out / folder).mkdir(parents=True, exist_ok=True)
            (out / folder / (stem + ending)).write_bytes(data)
    print(len(list(out.iterdir())))


def cut(shards, out):
    """How many images of each cut shard are whole, by zlib and the program `zstd` as far as they come, and `tarfile`."""
    import zlib

    plain = (shards / "train-004.tar").read_bytes()
    whole = {}
    for name, data in (("0.tar.gz", gzip.compress(plain)), ("1.tar.zst", by("zstd", plain))):
        half = data[: len(data) * 2 // 3]
        (out / "cut").mkdir(parents=True, exist_ok=True)
        (out / "cut" / name).write_bytes(half)
        if name.endswith("gz"):
            came = zlib.decompressobj(31).decompress(half)
        else:
            came = subprocess.run(["zstd", "-dc"], input=half, capture_output=True).stdout
        names = []
        with tarfile.open(fileobj=io.BytesIO(came), mode="r:") as tar:
            try:
                for info in tar:
                    if info.isfile() and not info.name.endswith(TEXTS) and "." in info.name:
                        assert info.offset_data + info.size <= len(came)
                        names.append(info.name)
            except (tarfile.ReadError, AssertionError):
                pass
        whole[name] = names
    print(json.dumps(whole))


def unequal(out, image):
    image = image.read_bytes()
    found = []
    for name, data in [("a.jpg", image), ("b.jpg", image), ("a.jpg", image), ("b.cls", b"2"), ("a.cls", b"1"), ("c.jpg", image)]:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        found.append((info, data))
    write(out / "unequal.tar", found)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    globals()[command](*map(Path, arguments))
