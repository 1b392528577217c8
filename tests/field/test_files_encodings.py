"""What trials in the field found about the encodings of files, in numbered order."""

from pathlib import Path

import pytest

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.row_source import Row
from sluicegate.errors import BadFile

FRENCH = "José Hélène François Noël Zoé Anaïs Benoît Jérôme Gaëlle l\u2019été “oui” Œuvre"
GERMAN = "Müller Jäger Größe Schön Straße Özil Übel „Hallo“ Jörg"
SPANISH = "Peña López García Núñez ¿Qué ¡Hola! José Ibáñez Begoña"
PORTUGUESE = "João Conceição Magalhães Simões Antônio Luís Ângela Pão"
ITALIAN = "Nicolò Niccolò Città Perché Così"
NORDIC = "Søren Kærsgård Åse Bjørn Jørgensen Sjöström"
ICELANDIC = "Þór Guðrún Sigurðsson Ýmir Ásgeir"
MIXED = "Müller José Hélène Peña Søren Zoë Renée Björn François João"
SIGNS = "it\u2019s don\u2019t “quoted” word—word Paris\u2013Lyon 25°C m² © ™ 5€ £5 Mª 1º ½ «oui»"
POLISH = "Łukasz Wałęsa Małgorzata Święty Żaneta Gęsi Ćma Jabłońska"
CZECH = "Dvořák Jiří Novotný Tomáš Kučera Přemysl Horáček Šťastný Růžička"
HUNGARIAN = "Erdős Szűcs Lőrinc Török Kovács Péter Győr Hűvös"
CROATIAN = "Kovačić Đorđe Žarko Šarić Čović"
TURKISH = "Y\u0131lmaz Şahin Doğan Çelik Öztürk İbrahim Ayşe Gökşen Ünal"
LITHUANIAN = "Žukauskas Jonaitė Ąžuolas Šimkus Čepaitė Jūratė"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def content(words: str, codec: str) -> bytes:
    rows = "".join(f"+1415555{n:04d},{word}\n" for n, word in enumerate(words.split()))
    return f"phone,name\n{rows}".encode(codec, "replace")


def names(sheet: CsvFile) -> list[str]:
    return [row.values[1] for row in sheet.rows() if isinstance(row, Row)]


@pytest.mark.parametrize(
    "words",
    [FRENCH, GERMAN, SPANISH, PORTUGUESE, ITALIAN, NORDIC, ICELANDIC, MIXED, SIGNS],
)
def test_03_western_words_are_read_as_windows_1252(path: Path, words: str) -> None:
    for some in (words, *words.split()):
        path.write_bytes(content(some, "cp1252"))
        sheet = CsvFile(path)
        assert sheet.encoding in ("cp1252", "utf-8")
        assert names(sheet) == some.split()


CASES = [
    *(("mac_roman", words) for words in (FRENCH, GERMAN, SPANISH, PORTUGUESE, ITALIAN, MIXED)),
    *(("cp850", words) for words in (FRENCH, GERMAN, SPANISH, PORTUGUESE, NORDIC, MIXED)),
    *(("cp1250", words) for words in (POLISH, CZECH, HUNGARIAN, CROATIAN)),
    *(("iso8859-2", words) for words in (POLISH, CZECH, CROATIAN)),
    ("cp1254", TURKISH),
    ("cp1257", LITHUANIAN),
    ("cp1251", "Иван Петров Мария"),
    ("koi8-r", "Иван Петров Мария"),
    ("cp1253", "Γιώργος Παπαδόπουλος"),
    ("shift_jis", "こんにちは世界"),
    ("gb18030", "你好世界"),
    ("mac_roman", "José"),
    ("mac_roman", "Müller"),
    ("cp850", "José"),
    ("cp850", "Müller"),
    ("cp1250", "Łukasz"),
    ("cp1250", "Wałęsa"),
]


@pytest.mark.parametrize(("codec", "words"), CASES)
def test_03_another_encoding_is_refused_and_named(path: Path, codec: str, words: str) -> None:
    path.write_bytes(content(words, codec))
    with pytest.raises(BadFile, match=f"--encoding {codec}"):
        CsvFile(path)
    sheet = CsvFile(path, encoding=codec)
    assert names(sheet) == words.encode(codec, "replace").decode(codec).split()


def test_03_a_byte_that_windows_1252_lacks_refuses_the_file(path: Path) -> None:
    path.write_bytes(content(FRENCH, "cp1252") * 50 + b"+14155550000,\x81rger\n")
    with pytest.raises(BadFile, match="as Windows-1252, but perhaps"):
        CsvFile(path)


def test_03_sound_utf_8_among_other_bytes_refuses_the_file(path: Path) -> None:
    mixed = "phone,name\n+33612345601,José\n".encode() + "+33612345602,Zoé\n".encode("cp1252")
    path.write_bytes(mixed)
    with pytest.raises(BadFile, match="partly UTF-8 and partly not: 'José' would read 'JosÃ©'"):
        CsvFile(path)
    path.write_bytes(content(FRENCH * 200, "cp1252") + "+33612345601,José\n".encode())
    with pytest.raises(BadFile, match="partly UTF-8"):
        CsvFile(path)
    assert names(CsvFile(path, encoding="cp1252"))[-1] == "JosÃ©"


def test_03_utf_8_with_a_few_other_bytes_loses_their_rows_only(path: Path) -> None:
    path.write_bytes(content(FRENCH, "utf-8") + b"+33612345602,Zo\xe9\n")
    sheet = CsvFile(path)
    assert names(sheet) == FRENCH.split()
    assert len(list(sheet.rows())) == len(FRENCH.split()) + 1


@pytest.mark.parametrize("word", ["JosÃ©", "donâ€™t", "MÃ¼ller", "5Â\xa0€"])
def test_03_utf_8_that_was_garbled_before_is_refused(path: Path, word: str) -> None:
    path.write_bytes(f"phone,name\n+33612345601,{word}\n".encode())
    with pytest.raises(BadFile, match="it was UTF-8, was read as Windows-1252"):
        CsvFile(path)
    assert CsvFile(path, encoding="utf-8").encoding == "utf-8"


@pytest.mark.parametrize(
    "word", ["José", "SÃO", "AMANHÃ", "Ã", "Ângela", "naïve", "日本", "🎉", "â"]
)
def test_03_sound_utf_8_is_read(path: Path, word: str) -> None:
    path.write_bytes(content(word, "utf-8"))
    assert names(CsvFile(path)) == [word]


def test_03_the_evidence_may_stand_anywhere(path: Path) -> None:
    plain = b"".join(b"+1415555%04d,Ann\n" % n for n in range(9_999)) * 8
    path.write_bytes(b"phone,name\n" + plain + content(FRENCH, "mac_roman"))
    with pytest.raises(BadFile, match="--encoding mac_roman"):
        CsvFile(path)
