"""What trials in the field found about files, numbers and texts: columns named in a text."""

from pathlib import Path

import pytest

from sluicegate.campaigns.columns import matching, named_by_variables
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.template import Template
from sluicegate.errors import BadTemplate
from support.messages import plan

COLUMNS = ("Phone", "First Name", "E-Mail", "2nd visit", "Customer's city", "Größe (cm)", "Code?")


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("{{ First Name }}", "{{ first_name }}"),
        ("{{first name}}", "{{ first_name }}"),
        ("{{ FIRST NAME|default('you there') }}", "{{ first_name |default('you there') }}"),
        ("{{ E-Mail }}", "{{ e_mail }}"),
        ("{{ 2nd visit }}", "{{ _2nd_visit }}"),
        ("{{ Customer's city }}", "{{ customer_s_city }}"),
        ("{{ Größe (cm) }}", "{{ größe_cm_ }}"),
        ("{{ Code? }}", "{{ code_ }}"),
        ("{% if First Name %}a{% endif %}", "{% if first_name %}a{% endif %}"),
        (
            "{% if not first name and E-Mail == 'First Name' %}a{% endif %}",
            "{% if not first_name and e_mail == 'First Name' %}a{% endif %}",
        ),
        ("Hi First Name {{ first_name }}", "Hi First Name {{ first_name }}"),
        ("{{ Last Name }}", "{{ Last Name }}"),
    ],
)
def test_13_a_column_s_own_name_is_its_variable(written: str, means: str) -> None:
    assert named_by_variables(written, COLUMNS) == means
    if written != "{{ Last Name }}":
        Template(means)


@pytest.mark.parametrize(
    "name", ["FIRST_NAME", "FirstName", "firstname", "First_Name", "first name"]
)
def test_13_case_spaces_and_underscores_do_not_matter(name: str) -> None:
    assert matching(COLUMNS, name) == [1]


def test_13_the_very_name_comes_first() -> None:
    columns = ("Phone", "phone", "first name", "FirstName")
    assert [matching(columns, name) for name in columns] == [[0], [1], [2], [3]]
    assert matching(columns, "PHONE") == [0, 1]
    assert matching(columns, "FIRSTNAME") == [3]


def test_13_a_text_is_rendered_by_such_names(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("Phone,First Name\n+14152000000,Ann\n")
    [found] = Recipients(plan(text="Hi {{ FIRST_NAME }}", to_column="PHONE"), CsvFile(path))
    assert isinstance(found, Recipient)
    assert found.text == "Hi Ann"


@pytest.mark.parametrize("name", ["First Name", "Last Name", "2nd", "e-mail (work)"])
def test_13_a_name_that_is_none_is_told_what_to_write(name: str) -> None:
    with pytest.raises(BadTemplate, match=r"write {{ [a-z_0-9]+ }}|is not part of"):
        Template(f"Hi {{{{ {name} }}}}")
