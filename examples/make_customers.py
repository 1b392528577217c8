"""Make customers.csv: two thousand rows as a shop system would export them, faults included.

    python examples/make_customers.py > examples/customers.csv

Every number is from a range reserved for fiction, so the file is safe to show, and safe to send to
a simulated provider. The seed is fixed, so the file is always the same.
"""

import csv
import random
import sys

ROWS = 2000
FIRST = (
    "Ann,Ben,Carla,Diego,Elif,Farid,Grace,Hugo,Ines,Jonas,Kim,Lea,Mateo,Nora,Omar,Priya,Quinn,"
    "Rosa,Sam,Tara,Umar,Vera,Will,Xenia,Yuki,Zoe,Søren,José,Łukasz,Chloé,Jürgen,Anaïs"
)
LAST = (
    "Smith,Garcia,Müller,Rossi,Nguyen,Okafor,Silva,Kowalski,Dubois,Tanaka,O'Brien,Larsen,Haddad,"
    "Novák,Peeters,Moreau"
)
CITIES = "New York,Chicago,Austin,Seattle,Denver,Boston,Miami,Portland,Atlanta,San José"
AREAS = "212,312,512,206,303,617,305,503,404,408,213,602,702,801,919,615,214,313,314,410"
ITEMS = (
    "running shoes",
    "a reading lamp",
    "two mugs",
    "the blue raincoat",
    "a garden hose",
    "headphones",
)
EMOJI = ("your cactus 🌵", "the party box 🎉", "a café crème set")
LONG = (
    "the large oak bookshelf with seven shelves, two doors, the extra back panel and the set of "
    "brass handles that you asked us to put aside for you last week"
)


def american(rng: random.Random, area: str, line: int) -> str:
    """One of the ways in which people write an American number."""
    number = f"555-01{line:02d}"
    plain = number.replace("-", "")
    return rng.choice(
        (
            f"({area}) {number}",
            f"{area}-{number}",
            f"{area}.{number.replace('-', '.')}",
            f"+1 {area} {number}",
            f"+1{area}{plain}",
            f"1{area}{plain}",
            f"{area}{plain}",
        )
    )


def numbers(rng: random.Random) -> list[str]:
    """More distinct numbers than there are rows, most of them American."""
    made = [american(rng, area, line) for area in AREAS.split(",") for line in range(100)]
    made += [f"+44 7700 900{line:03d}" for line in range(60)]
    made += [f"0033 6 39 98 {line // 100:02d} {line % 100:02d}" for line in range(40)]
    rng.shuffle(made)
    return made


def broken(rng: random.Random, row: dict[str, str]) -> dict[str, str]:
    """A row with one of the faults that such files have."""
    fault = rng.randrange(7)
    if fault == 0:
        return row | {"Phone": ""}
    if fault == 1:
        return row | {"Phone": "n/a"}
    if fault == 2:
        return row | {"Phone": row["Phone"][:-3]}
    if fault == 3:
        return row | {"Phone": "1.21256E+10"}
    if fault == 4:
        return row | {"First Name": "  "}
    if fault == 5:
        return row | {"Item": ""}
    return row | {"Phone": row["Phone"] + " / " + row["Phone"]}


def main() -> None:
    rng = random.Random(2026)
    rows = []
    for number, phone in enumerate(numbers(rng)[: ROWS - 62]):
        row = {
            "Customer": f"C{number + 1001}",
            "First Name": rng.choice(FIRST.split(",")),
            "Last Name": rng.choice(LAST.split(",")),
            "Phone": phone,
            "City": rng.choice(CITIES.split(",")),
            "Item": rng.choice(EMOJI) if rng.random() < 0.03 else rng.choice(ITEMS),
        }
        if rng.random() < 0.02:
            row["Item"] = LONG
        rows.append(broken(rng, row) if rng.random() < 0.03 else row)
    good = [row for row in rows if row["Phone"].startswith("(")]
    for row in rng.sample(good, 60):  # the same customer again, written differently
        digits = "".join(filter(str.isdigit, row["Phone"]))
        rows.append(row | {"Phone": f"+1{digits}", "Customer": row["Customer"] + "-B"})
    # Two that look valid but that the simulated provider refuses for good.
    for last in ("0300", "0309"):
        phone = f"+1555555{last}"
        rows.append(good[0] | {"Phone": phone, "Customer": f"C9{last}"})
    rng.shuffle(rows)
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


if __name__ == "__main__":
    main()
