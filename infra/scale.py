#!/usr/bin/env python3
"""Requests, time and price of a job of many images, by the formulas of docs/scale.md.

    scale.py 1e6:1 1e8:16 1e9:64                     the table of docs/scale.md: images and workers of each column
    scale.py 3e7:8 --rows-per-part 4096 --rate 900   with your own figures; --help lists them
    scale.py 3e7:8 --json                            one column as JSON

The numbers of requests follow from the program; a test compares them with the requests of real runs. Speeds, sizes and
prices are options: the defaults are assumptions, not measurements.
"""

import argparse
import json
import math

# parts of the first segments of a plan, of the later ones, and the rows of any
FIRST_SEGMENTS, LATER_SEGMENTS, MOST_ROWS = (1, 4, 16, 64), 256, 2**20
# parts of a segment up to which its footer is read at once
SHORT_FOOTER = 100
# pages of a listing that are requested at the same time, those that come one after another first, and requests for a page
PIECES, FIRST_PAGES, REQUESTS_A_PAGE = 16, 4, 1.1
# footers that are read at the same time, and parts whose columns are, with 32,768 rows each
FOOTERS, COLUMNS = 192, 6
# one byte that shows each process that the input answers
WITNESS = 1


def segments(parts, rows_per_part):
    """Parts of each segment."""
    cut, most = [], max(MOST_ROWS // rows_per_part, 1)
    while parts > 0:
        wanted = FIRST_SEGMENTS[len(cut)] if len(cut) < len(FIRST_SEGMENTS) else LATER_SEGMENTS
        cut.append(min(wanted, most, parts))
        parts -= cut[-1]
    return cut


def footers(cut):
    """Requests that read the footer of each of these segments."""
    return sum(1 if parts <= SHORT_FOOTER else 2 for parts in cut)


def requests(images, rows_per_part, starts, planned_first):
    """Requests of a folder's job without faults. `starts`: processes of the job; `planned_first`: none of them makes
    the plan, `plan --write` did."""
    parts = max(math.ceil(images / rows_per_part), 1)
    cut = segments(parts, rows_per_part)
    walks = starts + planned_first
    pages = math.ceil(parts / 1000)
    return {
        "parts": parts,
        "segments": len(cut),
        "input LIST": math.ceil(images / 1000),
        "image GET": images + starts * WITNESS,
        # the process that makes a segment looks for it first
        "plan HEAD": len(cut) * (walks + 1),
        "plan PUT": len(cut),
        # each process walks the whole chain and reads the rows of its parts
        "plan GET": footers(cut) * walks + parts,
        "part PUT": parts,
        # footers for `_SUCCESS`, footers and columns for the report
        "part GET": 3 * parts,
        # before the first part and after the last one of each process, at most
        "output LIST": 2 * starts * pages,
    }


def estimate(images, workers, arguments):
    """Everything for one column."""
    starts = arguments.starts or workers
    counted = requests(images, arguments.rows_per_part, starts, arguments.starts is not None)
    kinds = {kind: number for kind, number in counted.items() if " " in kind}
    dear = sum(number for kind, number in kinds.items() if kind.endswith(("PUT", "LIST")))
    cheap = sum(kinds.values()) - dear
    cut = segments(counted["parts"], arguments.rows_per_part)
    hours = images / arguments.rate / 3600
    wait = arguments.request_seconds
    pages = counted["input LIST"]
    rounds = min(pages, FIRST_PAGES) + REQUESTS_A_PAGE * max(pages - FIRST_PAGES, 0) / PIECES
    return {
        **counted,
        "all requests": dear + cheap,
        "their price": (dear * arguments.put_price + cheap * arguments.get_price) / 1e6,
        # other work waits for these
        "listing, hours": rounds * arguments.page_seconds / 3600,
        "walk of the plan, minutes": (len(cut) + footers(cut)) * wait / 60,
        "report, minutes": counted["parts"] * wait * (1 / FOOTERS + 1 / COLUMNS) / 60,
        "worker hours": hours,
        "hours": hours / workers,
        "price of the workers": hours * arguments.price_per_hour,
        "images, TB": images * arguments.image_bytes / 1e12,
        "output, TB": images * arguments.row_bytes / 1e12,
        "part, MB": min(arguments.rows_per_part, images) * arguments.row_bytes / 1e6,
    }


def shown(number):
    return f"{number:,}" if isinstance(number, int) else f"{number:,.3g}" if number < 100 else f"{number:,.0f}"


def column(text):
    images, _, workers = text.partition(":")
    return int(float(images)), int(workers or 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("columns", nargs="+", type=column, metavar="IMAGES:WORKERS")
    parser.add_argument("--rows-per-part", type=int, default=32768, help="default: 32768")
    parser.add_argument("--starts", type=int, help="processes that are started after `plan --write`: tasks of --parts")
    parser.add_argument("--rate", type=float, default=4000.0, help="images a second of a worker (default: 4000)")
    parser.add_argument("--price-per-hour", type=float, default=3.0, help="of a worker (default: 3)")
    parser.add_argument("--image-bytes", type=float, default=100e3, help="default: 100,000")
    parser.add_argument("--row-bytes", type=float, default=4300.0, help="of the output (default: 4300)")
    parser.add_argument("--page-seconds", type=float, default=0.1, help="a page of 1000 keys takes (default: 0.1)")
    parser.add_argument("--request-seconds", type=float, default=0.03, help="any other request (default: 0.03)")
    parser.add_argument("--get-price", type=float, default=0.4, help="of a million GET and HEAD (default: 0.4)")
    parser.add_argument("--put-price", type=float, default=5.0, help="of a million PUT and LIST (default: 5)")
    parser.add_argument("--json", action="store_true", help="the first column as JSON")
    arguments = parser.parse_args()
    if arguments.json:
        print(json.dumps(estimate(*arguments.columns[0], arguments)))
        return
    estimates = [estimate(*column, arguments) for column in arguments.columns]
    heads = [f" {images:,} images, {workers} worker{'s' if workers > 1 else ''} |" for images, workers in arguments.columns]
    print("| |" + "".join(heads))
    print("|---|" + "---|" * len(estimates))
    for name in estimates[0]:
        print(f"| {name} |" + "".join(f" {shown(each[name])} |" for each in estimates))


if __name__ == "__main__":
    main()
