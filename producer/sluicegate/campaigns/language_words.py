"""The words and signs with which languages write dates, numbers and money."""

from typing import NamedTuple


class LanguageWords(NamedTuple):
    """A language's names of months and days, in full and short, and how it writes numbers.

    ``symbol_first`` says whether a currency's sign stands before the amount.
    """

    months: list[str]
    short_months: list[str]
    days: list[str]
    short_days: list[str]
    group: str
    point: str
    symbol_first: bool


def _words(*parts: str) -> list[str]:
    return " ".join(parts).split()


WORDS = {
    "en": LanguageWords(
        _words(
            "January February March April May June July August September October November",
            "December",
        ),
        _words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"),
        _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
        _words("Mon Tue Wed Thu Fri Sat Sun"),
        group=",",
        point=".",
        symbol_first=True,
    ),
    "de": LanguageWords(
        _words(
            "Januar Februar März April Mai Juni Juli August September Oktober November", "Dezember"
        ),
        _words("Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez."),
        _words("Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag"),
        _words("Mo Di Mi Do Fr Sa So"),
        group=".",
        point=",",
        symbol_first=False,
    ),
    "es": LanguageWords(
        _words(
            "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre",
            "diciembre",
        ),
        _words("ene feb mar abr may jun jul ago sept oct nov dic"),
        _words("lunes martes miércoles jueves viernes sábado domingo"),
        _words("lun mar mié jue vie sáb dom"),
        group=".",
        point=",",
        symbol_first=False,
    ),
    "fr": LanguageWords(
        _words(
            "janvier février mars avril mai juin juillet août septembre octobre novembre",
            "décembre",
        ),
        _words("janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc."),
        _words("lundi mardi mercredi jeudi vendredi samedi dimanche"),
        _words("lun. mar. mer. jeu. ven. sam. dim."),
        group=" ",
        point=",",
        symbol_first=False,
    ),
    "it": LanguageWords(
        _words(
            "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre",
            "dicembre",
        ),
        _words("gen feb mar apr mag giu lug ago set ott nov dic"),
        _words("lunedì martedì mercoledì giovedì venerdì sabato domenica"),
        _words("lun mar mer gio ven sab dom"),
        group=".",
        point=",",
        symbol_first=False,
    ),
    "nl": LanguageWords(
        _words(
            "januari februari maart april mei juni juli augustus september oktober november",
            "december",
        ),
        _words("jan feb mrt apr mei jun jul aug sep okt nov dec"),
        _words("maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"),
        _words("ma di wo do vr za zo"),
        group=".",
        point=",",
        symbol_first=True,
    ),
    "pt": LanguageWords(
        _words(
            "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro",
            "dezembro",
        ),
        _words("jan. fev. mar. abr. mai. jun. jul. ago. set. out. nov. dez."),
        _words("segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo"),
        _words("seg. ter. qua. qui. sex. sáb. dom."),
        group=".",
        point=",",
        symbol_first=False,
    ),
}
LANGUAGES = tuple(WORDS)
"""The languages that dates, numbers and money can be written in, as ISO 639 codes."""
