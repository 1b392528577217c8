"""Whose a number is, by the names that carriers go by."""

import pytest

from sluicegate.carriers import SPELLINGS, carrier_of


@pytest.mark.parametrize(
    ("name", "carrier"),
    [
        ("T-MOBILE USA, INC.", "t_mobile"),
        ("T-MOBILE USA", "t_mobile"),
        ("t-mobile", "t_mobile"),
        ("T-Mobile US-SVR-10X/2", "t_mobile"),
        ("OMNIPOINT COMMUNICATIONS MIDWEST OPERATIONS LLC", "t_mobile"),
        ("Metro PCS", "t_mobile"),
        ("METROPCS, INC.", "t_mobile"),
        ("Metro by T-Mobile", "t_mobile"),
        ("SPRINT SPECTRUM L.P.", "t_mobile"),
        ("AT&T", "att"),
        ("AT & T Wireless", "att"),
        ("AT&amp;T Mobility", "unknown"),
        ("NEW CINGULAR WIRELESS PCS, LLC - IL", "att"),
        ("CINGULAR", "att"),
        ("Cricket Wireless - ATT - SVR", "att"),
        ("CELLCO PARTNERSHIP DBA VERIZON WIRELESS - UT", "other"),
        ("Verizon Wireless", "other"),
        ("TELNYX LLC", "other"),
        ("Bandwidth.com CLEC, LLC - PA", "other"),
        ("ROGERS COMMUNICATIONS CANADA INC.", "other"),
        ("TRACFONE WIRELESS", "unknown"),
        ("GOOGLE FI", "unknown"),
        ("UNITED STATES CELLULAR CORP.", "unknown"),
        ("ALLTEL COMMUNICATIONS", "unknown"),
        ("SOUTHWESTERN BELL", "unknown"),
        ("MCIMETRO ATS LLC", "unknown"),
        ("ATTICA TELEPHONE", "unknown"),
        ("SOME CARRIER", "unknown"),
        ("", "unknown"),
        ("\u0130" * 9, "unknown"),
    ],
)
def test_a_name_is_known_by_the_words_in_it(name: str, carrier: str) -> None:
    assert carrier_of(name) == carrier


def test_a_megabyte_is_no_name() -> None:
    assert carrier_of("x " * 500_000 + "T-Mobile") == "unknown"


def test_the_words_of_the_table_are_as_they_are_looked_for_and_stand_there_once() -> None:
    words = [spelling.words for spelling in SPELLINGS]
    assert len(set(words)) == len(words)
    assert all(carrier_of(each.words) == each.carrier for each in SPELLINGS)
