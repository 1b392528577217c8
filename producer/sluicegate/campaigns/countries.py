"""Reads a country as people write it in a column: a code, a calling code, or a name.

Names are those of the phonenumbers library, in twenty languages, and the ones below.
"""

import re
import unicodedata
from functools import cache, lru_cache

from ..numbering import library

_THREE_LETTERS = (
    "ABW:AW AFG:AF AGO:AO AIA:AI ALA:AX ALB:AL AND:AD ARE:AE ARG:AR ARM:AM ASC:AC ASM:AS "
    "ATG:AG AUS:AU AUT:AT AZE:AZ BDI:BI BEL:BE BEN:BJ BES:BQ BFA:BF BGD:BD BGR:BG BHR:BH "
    "BHS:BS BIH:BA BLM:BL BLR:BY BLZ:BZ BMU:BM BOL:BO BRA:BR BRB:BB BRN:BN BTN:BT BWA:BW "
    "CAF:CF CAN:CA CCK:CC CHE:CH CHL:CL CHN:CN CIV:CI CMR:CM COD:CD COG:CG COK:CK COL:CO "
    "COM:KM CPV:CV CRI:CR CUB:CU CUW:CW CXR:CX CYM:KY CYP:CY CZE:CZ DEU:DE DJI:DJ DMA:DM "
    "DNK:DK DOM:DO DZA:DZ ECU:EC EGY:EG ERI:ER ESH:EH ESP:ES EST:EE ETH:ET FIN:FI FJI:FJ "
    "FLK:FK FRA:FR FRO:FO FSM:FM GAB:GA GBR:GB GEO:GE GGY:GG GHA:GH GIB:GI GIN:GN GLP:GP "
    "GMB:GM GNB:GW GNQ:GQ GRC:GR GRD:GD GRL:GL GTM:GT GUF:GF GUM:GU GUY:GY HKG:HK HND:HN "
    "HRV:HR HTI:HT HUN:HU IDN:ID IMN:IM IND:IN IOT:IO IRL:IE IRN:IR IRQ:IQ ISL:IS ISR:IL "
    "ITA:IT JAM:JM JEY:JE JOR:JO JPN:JP KAZ:KZ KEN:KE KGZ:KG KHM:KH KIR:KI KNA:KN KOR:KR "
    "KWT:KW LAO:LA LBN:LB LBR:LR LBY:LY LCA:LC LIE:LI LKA:LK LSO:LS LTU:LT LUX:LU LVA:LV "
    "MAC:MO MAF:MF MAR:MA MCO:MC MDA:MD MDG:MG MDV:MV MEX:MX MHL:MH MKD:MK MLI:ML MLT:MT "
    "MMR:MM MNE:ME MNG:MN MNP:MP MOZ:MZ MRT:MR MSR:MS MTQ:MQ MUS:MU MWI:MW MYS:MY MYT:YT "
    "NAM:NA NCL:NC NER:NE NFK:NF NGA:NG NIC:NI NIU:NU NLD:NL NOR:NO NPL:NP NRU:NR NZL:NZ "
    "OMN:OM PAK:PK PAN:PA PER:PE PHL:PH PLW:PW PNG:PG POL:PL PRI:PR PRK:KP PRT:PT PRY:PY "
    "PSE:PS PYF:PF QAT:QA REU:RE ROU:RO RUS:RU RWA:RW SAU:SA SDN:SD SEN:SN SGP:SG SHN:SH "
    "SJM:SJ SLB:SB SLE:SL SLV:SV SMR:SM SOM:SO SPM:PM SRB:RS SSD:SS STP:ST SUR:SR SVK:SK "
    "SVN:SI SWE:SE SWZ:SZ SXM:SX SYC:SC SYR:SY TAA:TA TCA:TC TCD:TD TGO:TG THA:TH TJK:TJ "
    "TKL:TK TKM:TM TLS:TL TON:TO TTO:TT TUN:TN TUR:TR TUV:TV TWN:TW TZA:TZ UGA:UG UKR:UA "
    "URY:UY USA:US UZB:UZ VAT:VA VCT:VC VEN:VE VGB:VG VIR:VI VNM:VN VUT:VU WLF:WF WSM:WS "
    "XKX:XK YEM:YE ZAF:ZA ZMB:ZM ZWE:ZW "
)
"""ISO 3166: codes of three letters, and those of two."""

_ALSO = {
    "GB": "uk england scotland wales great_britain northern_ireland grande_bretagne britain "
    "grossbritannien inglaterra inghilterra angleterre gran_bretagna gran_bretana reino_unido",
    "US": "usa america united_states_of_america eeuu ee_uu etats_unis estados_unidos stati_uniti "
    "vereinigte_staaten",
    "AE": "uae emirates vereinigte_arabische_emirate emirats",
    "NL": "holland netherlands the_netherlands holanda hollande olanda",
    "CZ": "czechia czech_republic cesko ceska_republika tschechien tcheque",
    "TR": "turkey turkiye",
    "RU": "russia russian_federation rossija",
    "KR": "south_korea korea republic_of_korea korea_republic_of",
    "KP": "north_korea",
    "CI": "ivory_coast cote_divoire",
    "VN": "vietnam viet_nam",
    "CH": "switzerland schweiz suisse svizzera suiza",
    "AT": "austria osterreich oesterreich autriche",
    "DE": "germany deutschland brd",
    "GR": "greece hellas ellada",
    "DK": "denmark danmark",
    "NO": "norway norge",
    "SE": "sweden sverige",
    "FI": "finland suomi",
    "HU": "hungary magyarorszag",
    "HR": "croatia hrvatska",
    "BE": "belgium belgie belgique belgien",
    "IE": "ireland eire republic_of_ireland",
    "IR": "iran iran_islamic_republic_of",
    "TW": "taiwan",
    "MK": "macedonia north_macedonia",
    "SZ": "swaziland eswatini",
    "MM": "burma myanmar",
    "CV": "cape_verde cabo_verde",
    "BO": "bolivia bolivia_plurinational_state_of",
    "VE": "venezuela venezuela_bolivarian_republic_of",
    "TZ": "tanzania tanzania_united_republic_of",
    "SY": "syria syrian_arab_republic",
    "LA": "laos",
    "MD": "moldova republic_of_moldova",
    "BN": "brunei brunei_darussalam",
    "CD": "dr_congo democratic_republic_of_the_congo",
    "PS": "palestine",
    "VA": "vatican holy_see",
}
"""Names that people write, in the form of ``_folded``."""


@lru_cache(4096)
def region_named(text: str) -> str:
    """The region that ``text`` names, such as ``GB`` for ``UK``; ``""`` if none or several."""
    written = text.strip()
    if code := re.fullmatch(r"(?:\+|00)?([1-9]\d{0,2})", written):
        # Countries that share a code write their numbers alike.
        region = str(library().region_code_for_country_code(int(code[1])))
        return region if region in library().SUPPORTED_REGIONS else ""
    return _names().get(_folded(written), "")


@cache
def _names() -> dict[str, str]:
    from phonenumbers.geodata.locale import LOCALE_DATA

    found: dict[str, set[str]] = {}
    for region in library().SUPPORTED_REGIONS:
        for name in LOCALE_DATA.get(region, {}).values():
            if not name.startswith("*"):
                found.setdefault(_folded(name), set()).add(region)
    names = {name: regions.pop() for name, regions in found.items() if len(regions) == 1}
    for region, also in _ALSO.items():
        names |= dict.fromkeys(also.split(), region)
    for pair in _THREE_LETTERS.split():
        three, two = pair.lower().split(":")
        names |= dict.fromkeys((three, two), two.upper())
    return names


def _folded(name: str) -> str:
    """Lower case without accents and articles, with one ``_`` between words."""
    spread = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(char for char in spread if unicodedata.category(char) != "Mn")
    bare = re.sub("['\u2019.]", "", bare)
    return "_".join(re.findall(r"\w+", bare.replace("_", " "))).removeprefix("the_")
