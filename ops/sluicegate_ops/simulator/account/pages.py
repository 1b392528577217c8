"""The pages of the account's lists: v2's with ``data`` and ``meta``, 10DLC's with ``records``."""

from collections.abc import Mapping, Sequence
from math import ceil
from urllib.parse import parse_qs

import msgspec

PAGE_SIZE, MOST_ON_A_PAGE = 20, 250


def options_of(query: str) -> dict[str, str]:
    """The options of a URL's query; the last one counts of a name that stands twice."""
    return {name: values[-1] for name, values in parse_qs(query, True).items()}


def bounds(options: Mapping[str, str], most: int = MOST_ON_A_PAGE) -> tuple[int, int]:
    """The number of the page, from 1, and its size."""
    number = _positive(options.get("page[number]", ""), 1)
    return number, min(_positive(options.get("page[size]", ""), PAGE_SIZE), most)


def of_page(items: Sequence[object], options: Mapping[str, str]) -> bytes:
    """One page of a list of API v2."""
    number, size = bounds(options)
    return listed_page(items[(number - 1) * size : number * size], number, size, len(items))


def listed_page(data: Sequence[object], number: int, size: int, total: int) -> bytes:
    """A page that is cut already, of a list of ``total`` entries."""
    meta = {
        "page_number": number,
        "page_size": size,
        "total_pages": ceil(total / size),
        "total_results": total,
    }
    return msgspec.json.encode({"data": data, "meta": meta})


def of_records(items: Sequence[object], options: Mapping[str, str]) -> bytes:
    """One page of a list of 10DLC's; they count from 1."""
    number = _positive(options.get("page", ""), 1)
    size = min(_positive(options.get("recordsPerPage", ""), 10), 500)
    page = items[(number - 1) * size : number * size]
    return msgspec.json.encode({"records": page, "page": number, "totalRecords": len(items)})


def of_requests(items: Sequence[object], options: Mapping[str, str]) -> bytes:
    """One page of the list of toll-free verifications."""
    number = _positive(options.get("page", ""), 1)
    size = min(_positive(options.get("page_size", ""), PAGE_SIZE), 100)
    page = items[(number - 1) * size : number * size]
    return msgspec.json.encode({"records": page, "total_records": len(items)})


def _positive(text: str, otherwise: int) -> int:
    return max(1, int(text)) if text.isdecimal() else otherwise
