"""Closed phrases that end consent, and wordings that a person must read, of normalised text.

They are compiled when they are first asked for: most of those who import this package hear nobody.
"""

import re
from functools import cache
from typing import Final

_OBJECT: Final = (
    "it|this|that|these|those|all|any|more|the|your|ur|my|me|us|to|from|number|numbers|phone|cell|"
    "sms|text|texts|texting|txt|txts|txting|message|messages|messaging|msg|msgs|sending|send|sent|"
    "contacting|spamming|bothering|harassing|writing|promo|promos|promotion|promotions|"
    "promotional|marketing|ads|alerts|notifications|everything|anymore|again|ever|list|lists|"
    "mailing|receiving|getting|anything|other|further|future"
)
MANNERS: Final = frozenset(
    (
        *("please", "pls", "plz", "plse", "kindly", "hey", "hi", "hello", "ok", "okay", "yes"),
        *("no", "just", "sorry", "thanks", "thx", "ty", "now", "immediately", "asap"),
        *("already", "sir", "maam", "guys", "everyone", "folks", "bitte", "porfa", "gracias"),
        *("svp", "merci", "danke", "grazie", "obrigado", "obrigada", "alstublieft", "aub"),
        *("thank you", "right now", "right away", "at once", "por favor", "sil vous plait"),
        *("sil te plait", "per favore"),
    )
)
"""What changes nothing about a keyword beside it: ``stop please``."""

_MANNERS: Final = "|".join(sorted(MANNERS, key=len, reverse=True))
_ASK: Final = (
    r"i (?:just )?(?:want|need|wish|would like|d like|id like|demand|request|choose|am asking|ask)"
    r"(?: for)?(?: you| u| yall)?(?: guys)?(?: to)?|id like(?: you| u| yall)?(?: guys)?(?: to)?|"
    r"(?:can|could|would|will) (?:you|u|yall)(?: all| guys)?|"
    r"(?:you|u) (?:need to|must|have to|should)|i am|im|let me|i hereby|i hereby do"
)
_TEXTS: Final = r"(?:texts|txts|messages|msgs|sms|notifications|alerts|texting|messaging)"
_THEM: Final = r"(?:all |the |your |ur |these |those |this |any |more |my |sending |of )*"

_OBJECTS: Final = rf"(?: (?:{_OBJECT}))*"
_WHOM: Final = r"(?:me|us|my (?:cell |phone )?(?:number|phone|name|cell)|this (?:number|phone))"
_CORES: Final = (
    rf"(?:stop|quit|cease){_OBJECTS}",
    rf"(?:end|cancel|discontinue) {_THEM}{_TEXTS}{_OBJECTS}",
    rf"(?:unsubscribe|unsub|unsubscribing){_OBJECTS}",
    rf"(?:opt|opting) (?:{_WHOM} )?out(?: of)?{_OBJECTS}",
    rf"(?:take|leave) {_WHOM} out of{_OBJECTS}",
    r"(?:i |we )?(?:hereby )?(?:revoke|revoking|withdraw|withdrawing|rescind)(?: all| any)?"
    r"(?: my)? (?:prior |previous )?"
    rf"(?:consent|permission|authorization|opt in)(?: (?:for|of))?{_OBJECTS}(?: contact)?(?: me)?",
    r"(?:my )?(?:consent|permission) (?:is )?(?:hereby )?(?:revoked|withdrawn)",
    rf"(?:remove|delete|erase|scrub|unlist) {_WHOM}{_OBJECTS}(?: (?:database|system))?",
    rf"take {_WHOM} off(?: of)?{_OBJECTS}",
    rf"get {_WHOM} off(?: of)? (?:your|this|the|all){_OBJECTS}",
    r"(?:do not|dont|never|not to) (?:ever )?(?:text|txt|message|msg|contact|sms|spam)"
    rf"{_OBJECTS}",
    rf"(?:do not|dont|never) (?:ever )?send{_OBJECTS} {_TEXTS}{_OBJECTS}",
    rf"no more {_THEM}{_TEXTS}{_OBJECTS}",
    r"i (?:do not|dont|no longer) (?:want|wish)(?: to (?:receive|get|have))? "
    rf"{_THEM}{_TEXTS}{_OBJECTS}",
)
MOST_CLOSED: Final = 120
"""A closed phrase is short: no longer reply is asked whether it is one."""

TWO_READINGS: Final = frozenset({"cancel", "end", "remove", "td", "fin", "baja", "alto", "fine"})
"""Keywords that are heard alone, and beside anything else may mean something else."""

_ENGLISH: Final = (
    # Not to be sent to.
    r"\b(?:do not|dont|never|not|stop|quit) (?:ever )?"
    r"(?:text|txt|message|msg|contact|call|calling|send|sms|e?mail|write|bother|spam|disturb)",
    r"\bno (?:more|further) (?:\w+ )?(?:texts?|txts?|messages?|msgs?|sms|spam|ads|calls?|contact)",
    r"^(?:please )?no (?:more|contact|more please)$",
    r"^(?:please )?no (?:texts|txts|messages|msgs|sms|calls|spam)\b",
    r"\b(?:do not|dont|no longer|never) (?:want|wish|need|care)(?:ed)? "
    r"(?:these|your|ur|any|more|this|them|texts|messages|sms|to (?:receive|get|hear|be))",
    r"^i? ?(?:do not|dont) want$|\bwhy (?:are|do|r|did) (?:you|u) .{0,30}(?:text|messag|contact)",
    # To be taken off a list.
    r"\b(?:take|remove|delete|scrub|drop|erase|kick|exclude|unlist) (?:me|us|my|this [np])",
    r"\bforget (?:me|us)\b",
    r"^(?:please )?(?:delete|remove|erase|block)(?: (?:number|it|everything|account))?$",
    r"\bget (?:me|us|my \w+) (?:off|out)\b|\bget rid of (?:me|my)\b|\btaken? back my\b",
    r"\bbe (?:taken|removed|deleted|excluded|unlisted)\b|\btaken off\b",
    r"\b(?:off|from) (?:of )?(?:(?:your|ur|this|the|any|all) )?(?:\w+ )?"
    r"(?:lists?|database|system)\b",
    r"\b(?:unsub\w*|opt\w* (?:me )?out|optout|dnc|deactivate|terminate|discontinue)\b",
    r"\bdo not (?:call|contact|text) (?:list|registry)\b",
    # Never agreed to.
    r"\b(?:withdr[ae]w|rescind|revok|retract)\w*|\bconsent\b|^i object",
    r"\b(?:no|not|never|without|dont|didnt|who gave) (?:\w+ ){0,3}(?:permission|authoriz)",
    r"\b(?:didnt|did not|never|dont remember) (?:\w+ )?(?:sign|subscrib|consent|opt|agree|ask)\w*",
    # Somebody else's number.
    r"\bwrong (?:number|num|person|guy|phone)\b|^(?:sorry )?wrong$|\bdeceased\b|\bpassed away\b",
    r"\b(?:sold|new owner|not (?:my|his|her)) .{0,80}number\b",
    r"\bnumber (?:is )?(?:no longer|not)\b",
    r"\b(?:isnt|is not|no longer) (?:\w+ ){1,3}number\b",
    r"\blose (?:my|this)(?: number)?\b|\bleave (?:me|us) (?:the \w+ )?alone\b",
    # Angry.
    r"\b(?:not|no longer|never) interested\b|\bno interest\b|\bunwanted\b|\bunsolicited\b",
    r"\bharass|\bspam|\bscam|\b(?:lawyer|attorney|lawsuit|sue|suing|fcc|ftc|tcpa|legal action)\b",
    r"\breport(?:ing|ed)? (?:you|u|this|it)\b|\bblock(?:ing|ed)? (?:you|u|this|ur|me)\b",
    r"^(?:(?:you|u)(?: are|re)? |youre )?(?:now )?blocked$|\bcease\b|\bdesist\b|^halt$",
    r"\b(?:f|fuck|piss|bugger|sod|back|buzz) off\b|\bget lost\b|\bgo away\b|\bshut up\b",
    r"\bfuck (?:you|u)\b|\b(?:enough|knock it off|cut it out|give it a rest)\b",
)
_OTHERS: Final = (
    r"\bnumero (?:equivocado|sbagliato|errado)\b|\b(?:mauvais|faux) numero\b",
    r"\bfalsche nummer\b|\bverkeerd nummer\b|\bbasta\b",
    # Spanish
    r"\bno (?:me |nos )?(?:envi|mand|escrib|contact|llam|molest)\w*",
    r"\bdej\w* de (?:me )?(?:envi|mand|escrib|molest|contact|llam)\w*",
    r"\bno (?:quiero|deseo|queremos) (?:recibir|mas|sus|estos|seguir)\b|\bde baja\b",
    r"\b(?:quit|borr|elimin|saqu|sac|remuev)\w*(?:me|nme)\b|\bno mas (?:mensajes|sms|textos)\b",
    r"\b(?:revoc|desuscri|deteng)\w*|\bcancel(?:ar|a|e|en|o|ado|ada|acion)\b",
    r"\b(?:ya|yo) no (?:\w+ )?(?:quiero|quieren|envi|mand)|\b(?:quitar|borrar|eliminar) mi\b",
    # French
    r"\bne (?:me |m|nous )\w* ?(?:plus|pas|jamais)\b",
    r"\b(?:plus|pas) de (?:sms|messages?|textos?)\b",
    r"\b(?:arret|desabonn|desinscri|resili|revoqu)\w*|\blaisse[zr]? moi (?:tranquille|en paix)\b",
    r"^cesse[zr]?\b|\bje refuse\b|\bla paix\b",
    r"\b(?:retir|supprim|enlev)\w* (?:moi|mon|de votre)\b|\bje ne veux (?:plus|pas)\b",
    # German
    r"\b(?:keine?n?|nicht mehr|nie wieder|nie mehr)\b.{0,80}\b(?:sms|nachricht|"
    r"schreib|send|schick|kontakt|werbung)\w*",
    r"\b(?:schreib|schick|send|kontaktier)\w* (?:sie |ihr )?(?:mir|mich) (?:nicht|nie|keine)",
    r"\bhor\w* (?:sie |bitte |endlich )*(?:damit )?auf\b|\bhoeren sie auf\b|\bin ruhe\b",
    r"\b(?:abmeld|abbestell|austrag|widerruf|kundig|kuendig|aufhor|aufhoer)\w*",
    r"\bmelde\w* .{0,80}\bab\b",
    r"\b(?:losch|entfern|streich|nehm)\w* (?:sie )?(?:mich|meine)\b|\btrag\w* mich .{0,80}aus\b",
    r"\b(?:nimm|nehm\w*) .{0,30}\b(?:raus|aus|verteiler)\b|\bverteiler\b|\bkein interesse\b",
    r"^(?:bitte )?loschen$",
    # Italian
    r"\bnon (?:mi |ci )?(?:mand|invi|scriv|contatt|disturb)\w*",
    r"\bnon voglio (?:piu|ricevere)\b|^non voglio$|\bnon sono interessat|\belimin\w*mi\b",
    r"\b(?:smett|disiscri|annull|rimuov|toglie|togli)\w*|\bin pace\b",
    r"\bcancell(?:a|are|ami|ate|atemi|i|o|azione)\b",
    # Portuguese
    r"\b(?:nao|n) (?:me )?(?:envi|mand|contat|escrev|incomod)\w*",
    r"\b(?:pare?|deixe?)m? de (?:me )?\w+",
    r"\b(?:nao|n) (?:quero|desejo) (?:mais|receber)\b|\b(?:descadastr|desinscrev|remov|revog)\w*",
    r"\bme (?:tir|remov|exclu|descadastr|cancel)\w*|\bsair da lista\b|\bem paz\b",
    r"\b(?:retir|exclu|tir|apag)\w* (?:o )?(?:meu|minha|me)\b|\b(?:nao|n) tenho interesse\b",
    # Dutch
    r"\bgeen (?:\w+ ){0,4}(?:sms\w*|berichten)\b|\bstuur\w* (?:me |mij )?(?:niet|geen)\b",
    r"\bmet rust\b",
    r"\b(?:afmeld|uitschrijv|opzegg)\w*|\bmeld (?:me|mij) .{0,80}af\b",
    r"\bschrijf (?:me|mij) .{0,80}uit\b",
)
REACTION: Final = re.compile(
    r"\s*(?:liked|loved|laughed at|emphasi[sz]ed|questioned|disliked|reacted [^\w\s]+ to|"
    r"[^\w\s]{1,6} to|"
    r"removed an? \w+ from|le (?:gust[oó]|encant[oó])|a (?:aim[eé]|ador[eé]))\s*"
    r"[\"\u201c\u00ab][^\"\u201c\u201d\u00ab\u00bb]{25,}[\"\u201d\u00bb]\s*",
    re.IGNORECASE,
)
"""What a phone sends for a thumb on a message: the text is ours, and often tells of STOP."""

SIGNS: Final = re.compile("[\U0001f6d1\U0001f6ab\u270b\U0001f590\u26d4]")
"""A stop sign, no entry, a raised hand: read by a person where nothing else says what is meant."""


@cache
def closed() -> re.Pattern[str]:
    """A whole reply that is one of these asks for nothing else: ``please stop texting me now``."""
    manners = rf"(?:(?:{_MANNERS}) )*"
    return re.compile(
        rf"{manners}(?:(?:{_ASK}) )?{manners}(?:{'|'.join(_CORES)})(?: (?:{_MANNERS}))*"
    )


@cache
def read() -> re.Pattern[str]:
    """Where a reply has one of these it may be a revocation: a person reads it."""
    return re.compile("|".join((*_ENGLISH, *_OTHERS)))
