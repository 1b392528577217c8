"""What trials in the field found about the numbers that a preflight reports, in numbered order."""

from collections.abc import Callable, Iterator
from pathlib import Path

import fakeredis
import phonenumbers
import pytest
import redis

from sluicegate.campaigns.countries import region_named
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import preflight
from sluicegate.campaigns.rejects import Rejects
from sluicegate.campaigns.report import Duplicate, Report
from sluicegate.config import Account
from sluicegate.errors import BadFile, CampaignExists
from support.bench import Bench
from support.fake import StillServer
from support.messages import plan

Look = Callable[..., Report]
HI = plan(text="Hi", region="US")


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with fakeredis.FakeRedis(server=StillServer()) as client:
        yield client


@pytest.fixture
def look(client: redis.Redis, tmp_path: Path) -> Look:
    bench = Bench(client)
    duplicates: list[Duplicate] = []

    def report(content: str, of: Plan = HI, encoding: str | None = None) -> Report:
        path = tmp_path / "people.csv"
        path.write_text(content, encoding="utf-8")
        sheet = CsvFile(path, encoding=encoding)
        with Rejects(tmp_path / "rejects.csv", sheet) as rejects:
            made = preflight(
                of, sheet, Account(), bench.store, bench.keys, rejects,
                on_duplicate=duplicates.append,
            )  # fmt: skip
        assert made.duplicates == len(duplicates)
        assert made.lines.total == made.lines.above + made.lines.blank + made.lines.rows
        return made

    report.duplicates = duplicates  # type: ignore[attr-defined] # read by one test
    return report


def countries(report: Report) -> dict[str, int]:
    return {each.country: each.texts for each in report.countries}


def test_01_one_column_names_each_rows_country(look: Look) -> None:
    of = plan(text="Hi", region="US", region_column="country")
    report = look(
        "phone,country\n"
        "7400123456,United Kingdom\n07400 123457,UK\n01711234567,Deutschland\n"
        "0612345678,Frankreich\n(415) 555-0100,usa\n(415) 555-0101,\n+447400123458,US\n"
        "09012345678,日本\n07400 123459,Atlantis\n+447400123460,Atlantis\n",
        of,
    )
    assert countries(report) == {"GB": 4, "DE": 1, "FR": 1, "US": 2, "JP": 1}
    assert report.reasons == {
        "phone: its country names no country: write a code, such as GB, or write it with +": 1
    }


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("GB", "GB"), (" uk ", "GB"), ("GBR", "GB"), ("Großbritannien", "GB"), ("+44", "GB"),
        ("England", "GB"), ("U.S.A.", "US"), ("États-Unis", "US"), ("Estados Unidos", "US"),
        ("1", "US"), ("DEU", "DE"), ("Allemagne", "DE"), ("Германия", "DE"), ("Niemcy", "DE"),
        ("the netherlands", "NL"), ("Österreich", "AT"), ("Côte d\u2019Ivoire", "CI"),
        ("España", "ES"), ("Svizzera", "CH"), ("日本", "JP"), ("0049", "DE"), ("Türkiye", "TR"),
        ("", ""), ("n/a", ""), ("Atlantis", ""), ("999", ""), ("800", ""),
    ],
)  # fmt: skip
def test_01_a_country_is_a_code_or_a_name(text: str, region: str) -> None:
    assert region_named(text) == region


def test_01_every_code_is_its_region() -> None:
    for region in phonenumbers.SUPPORTED_REGIONS:
        assert region_named(region) == region_named(region.lower()) == region


def test_01_the_column_must_be_there(look: Look) -> None:
    with pytest.raises(BadFile, match="no column 'country'"):
        look("phone,land\n+14155550100,x\n", plan(text="Hi", region_column="country"))


def test_01_unassigned_area_codes_are_doubtful(look: Look) -> None:
    report = look("phone\n+15552010001\n791 223 4567\n415 555 0100\n")
    assert (report.sendable, report.doubtful) == (3, 2)
    [warned] = report.warnings
    assert (warned.where, warned.count, warned.line) == ("phone", 2, 2)
    assert warned.what == "its area code is not assigned in North America"
    assert [(odd.line, odd.to) for odd in report.doubtful_numbers] == [
        (2, "+1555•••01"),
        (3, "+1791•••67"),
    ]
    assert countries(report) == {"US": 1, "": 2}


def test_01_one_campaign_takes_files_of_several_regions(client: redis.Redis) -> None:
    campaigns = Bench(client).campaigns
    made = campaigns.create(plan(region="US"))
    for other in ({"region": "GB"}, {"region_column": "country"}, {"landlines": False}):
        assert campaigns.create(plan(**other)) == made
    with pytest.raises(CampaignExists) as caught:
        campaigns.create(plan(region="DE", text="Other {{ first_name }}"))
    assert "text" in str(caught.value)
    assert "region" not in str(caught.value)


def test_16_landlines_are_counted_and_can_be_left_out(look: Look) -> None:
    content = "phone\n020 7946 0018\n07911 123456\n0161 496 0018\n+14155550100\n"
    assert look(content, plan(text="Hi", region="GB")).landlines == 2
    report = look(content, plan(text="Hi", region="GB", landlines=False))
    assert (report.sendable, report.landlines) == (2, 0)
    assert report.reasons == {"phone: a landline, by its country's numbering plan": 2}


def test_16_duplicates_come_with_both_lines(look: Look) -> None:
    report = look("phone\n+14155550100\n+14155550101\n415-555-0100\n\n(415) 555-0100\n")
    assert report.duplicates == 2
    assert look.duplicates == [(4, 2, "+14155550100"), (6, 2, "+14155550100")]  # type: ignore[attr-defined] # see above


def test_02_lines_are_reported(look: Look) -> None:
    report = look('phone,name\n+14155550100,"José\nMüller"\n\n+14155550101,Zoë\n')
    lines = report.lines
    assert (lines.total, lines.above, lines.blank, lines.rows) == (5, 1, 1, 3)
    assert (lines.tall, lines.tallest) == (1, [(2, 2)])
