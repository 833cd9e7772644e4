"""Checksums of S3: the published values, however the bytes are cut."""

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customlabels.wire import ALGORITHMS

# Of the nine digits `123456789`, as the catalogues of checksums list them.
PUBLISHED = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_crc_has_its_published_value(name: str) -> None:
    checksum = ALGORITHMS[name]()

    checksum.update(b"123456789")

    assert checksum.digest().hex() == PUBLISHED[name]


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=4))
def test_a_checksum_is_the_same_however_the_bytes_are_cut(name: str, data: bytes, cuts: list[int]) -> None:
    one_by_one, in_pieces = ALGORITHMS[name](), ALGORITHMS[name]()

    for byte in data:
        one_by_one.update(bytes([byte]))
    places = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(places):
        in_pieces.update(data[start : max(start, end)])

    assert in_pieces.digest() == one_by_one.digest()


def test_a_crc_of_more_than_one_piece_is_that_of_its_bytes() -> None:
    data = bytes(range(256)) * 1000
    whole, rest = ALGORITHMS["CRC64NVME"](), ALGORITHMS["CRC64NVME"]()

    whole.update(data)
    for start in range(0, len(data), 7):
        rest.update(data[start : start + 7])

    assert base64.b64encode(whole.digest()) == base64.b64encode(rest.digest())
