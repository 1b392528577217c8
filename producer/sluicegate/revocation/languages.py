"""The words that end consent by themselves, in the languages of the countries that are sent to."""

from collections.abc import Mapping
from typing import Final, NamedTuple

LEGAL: Final = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe")
"""The words that 47 CFR 64.1200(a)(10) names: each is a revocation, whoever hears it."""

CARRIERS: Final = (
    *("stopall", "stop all", "optout", "opt out all", "remove", "arret", "arrett", "unsub", "td"),
    *("stop2end", "stop2quit", "stop2stop", "stop to end", "stop to quit", "stop sms"),
)
"""What Telnyx, Twilio, AWS and carriers act on beside those."""

OPT_IN: Final = frozenset({"start", "unstop"})
"""What lifts a recipient's own opt-out: what the provider lifts its own block for."""


class Language(NamedTuple):
    """One language's words, as people write them.

    ``words`` end consent where they are the whole reply. ``clear`` do so as well, and are rare
    enough in anything else that a reply which holds one is read by a person. ``only_there`` are
    common words of another language: they are heard only from a country of this language, or
    where the configuration names it.
    """

    words: tuple[str, ...]
    clear: tuple[str, ...] = ()
    only_there: tuple[str, ...] = ()


LANGUAGES: Final[Mapping[str, Language]] = {
    "en": Language(
        words=(
            "un subscribe",
            "opt me out",
            "opted out",
            "opting out",
            "i opt out",
            "opt out please",
        ),
        clear=(*LEGAL, *CARRIERS, "unsubscribed", "revoked", "stopp", "stahp"),
    ),
    "es": Language(
        words=(
            *("alto", "baja", "basta", "salir", "dejar", "fin", "terminar", "finalizar"),
            *("parar", "detener", "detente", "anular", "pare", "paren", "excluir", "no mas"),
            *("no más mensajes", "no mas sms", "alto por favor", "basta ya"),
        ),
        clear=(
            *("cancelar", "cancela", "cancelen", "cancelar suscripción", "revocar", "revoco"),
            *("desuscribir", "desuscribirme", "desuscribirse", "darme de baja", "dar de baja"),
            *("darse de baja", "dame de baja", "denme de baja", "detengan", "dejen de escribir"),
        ),
        only_there=("para",),
    ),
    "fr": Language(
        words=(
            *("fin", "terminer", "quitter", "annuler", "refuser", "refus", "stopper"),
            *("plus de sms", "plus de messages"),
        ),
        clear=(
            *("arrêt", "arrêter", "arrêtez", "arrête", "révoquer", "révocation", "je révoque"),
            *("désabonner", "désabonnement", "se désabonner", "me désabonner", "désabonnez-moi"),
            *("désinscrire", "désinscription", "se désinscrire", "me désinscrire", "résilier"),
        ),
    ),
    "de": Language(
        words=("ende", "beenden", "verlassen", "abbrechen", "abbruch", "stornieren", "anhalten"),
        clear=(
            *("stopp", "abmelden", "abmeldung", "abbestellen", "abbestellung", "austragen"),
            *("kündigen", "kuendigen", "kündigung", "widerruf", "widerrufen", "ich widerrufe"),
            *("aufhören", "aufhoeren", "keine sms mehr", "keine nachrichten mehr"),
        ),
        only_there=("halt",),
    ),
    "it": Language(
        words=(
            *("ferma", "fermare", "fermati", "fermate", "arresta", "esci", "uscire", "termina"),
            *("terminare", "rinuncia", "rinuncio", "rifiuto", "basta", "basta sms"),
        ),
        clear=(
            *("annulla", "annullare", "cancella", "cancellare", "cancellami", "cancellatemi"),
            *("disiscrivi", "disiscrivimi", "disiscriviti", "disiscrivetemi", "disiscrizione"),
            *("disiscrivermi", "revoca", "revocare", "revoco", "smettila", "smettetela", "smetti"),
            *("rimuovi", "rimuovimi", "rimuovetemi"),
        ),
        only_there=("fine",),
    ),
    "pt": Language(
        words=(
            *("parar", "pare", "parem", "sair", "fim", "terminar", "encerrar", "chega"),
            *("não quero mais", "optar por sair", "desistir", "excluir"),
        ),
        clear=(
            *("cancelar", "cancele", "cancelem", "cancelamento", "cancelar inscrição"),
            *("cancelar assinatura", "descadastrar", "descadastre", "descadastro", "desinscrever"),
            *("remover", "remova", "revogar", "revogo", "me descadastre", "sair da lista"),
        ),
    ),
    "nl": Language(
        words=("stoppen", "beëindigen", "einde", "genoeg", "annuleren"),
        clear=(
            *("afmelden", "uitschrijven", "opzeggen", "intrekken", "meld me af"),
            *("schrijf me uit", "geen sms meer", "geen berichten meer"),
        ),
    ),
}
"""Each language's words by its code; English and the legal words are always heard."""

_SPEAKERS: Final[Mapping[str, str]] = {
    "en es fr": "1",
    "es": "34 51 52 53 54 56 57 58 501 502 503 504 505 506 507 591 593 595 598",
    "fr": "33 221 225 228 229 237 241 242 261 262 377 509 590 594 596 687 689",
    "fr de nl": "32 352",
    "de": "43 49 423",
    "de fr it": "41",
    "it": "39 378 379",
    "pt": "55 351 238 239 244 245 258",
    "nl": "31 297 597 599",
}
_BY_CALLING_CODE: Final = {
    code: languages.split() for languages, codes in _SPEAKERS.items() for code in codes.split()
}


def languages_of(number: str) -> frozenset[str]:
    """The languages of the country of an E.164 number, of those that we know; maybe none."""
    digits = number.removeprefix("+")
    found = (_BY_CALLING_CODE.get(digits[:size], ()) for size in (3, 2, 1))
    return frozenset(next(filter(None, found), ()))
