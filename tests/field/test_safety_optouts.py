"""What trials in the field found about opt-outs: words, who may lift them, what is kept."""

import json
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from sluicegate import Config
from sluicegate.config import load
from sluicegate.errors import InvalidConfig, InvalidMessage
from sluicegate.keys import Keys
from sluicegate.optouts import OptOuts
from sluicegate.revocation import LANGUAGES, Hearing, languages_of, normalised
from sluicegate.scripts import Argument
from sluicegate.stored import OptOutAct
from sluicegate_ops.inspect import Waits, read_account
from sluicegate_ops.simulator import Settings, simulator_in_thread
from sluicegate_ops.web.keywords import HEAR
from support.bench import Bench
from support.command_line import Cli
from support.messages import message, plan, recipient
from support.replies import HOLDING, OTHERS, REVOCATIONS, SEVEN
from support.served import NOW, NUMBER, PROFILE, Front, run, wrote

KEYS, CLINIC = Keys("default"), Keys("clinic")
OTHER_PROFILE = "another-profile"
STOP_BILL = "We have got to STOP this bill"
HEARING = Hearing()
Story = Callable[[Front], Awaitable[None]]


def listed(store: Any, keys: Keys = KEYS) -> list[str]:
    return [entry.number for entry in OptOuts(store, keys)]


def reviewed(store: Any, keys: Keys = KEYS) -> list[str]:
    return [review.number for review in OptOuts(store, keys).reviews()]


def acts(store: Any, number: str = NUMBER, keys: Keys = KEYS) -> list[str]:
    return [event.act for event in OptOuts(store, keys).history(number)]


def hear(front: Config, *said: Any) -> None:
    """Have each said in turn, each answered 200."""

    async def story(door: Front) -> None:
        for one in said:
            assert (await door.hook("/receipts/default", one)).status_code == 200

    run(front, story)


# 1. Words.


def wide(word: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in word)


def accented(word: str) -> str:
    return "".join(c + "\u0301" if c in "aeiouAEIOU" else c for c in word)


def before(mark: str) -> Callable[[str], str]:
    return lambda word: mark + word


def behind(mark: str) -> Callable[[str], str]:
    return lambda word: word + mark


def within(mark: str) -> Callable[[str], str]:
    return lambda word: word[:2] + mark + word[2:]


UNSEEN = "\u200b\u200d\u2060\ufeff\u00ad\u034f\u3164\U000e0041"
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper": str.upper,
    "title": str.title,
    "mixed": lambda word: "".join(c.upper() if i % 2 else c for i, c in enumerate(word)),
    **{f"with {mark!r}": behind(mark) for mark in ".!?,;:\u2026\u3002"},
    "quoted": lambda word: f'"{word}"',
    "curly": lambda word: f"\u201c{word}\u201d",
    "in brackets": lambda word: f"({word})",
    "shouted": lambda word: f"  {word.upper()}!!!\n",
    "spaced out": lambda word: "\u00a0" + word.replace(" ", " \t ") + "\u2003",
    "hyphens": lambda word: word.replace(" ", "-"),
    "accents": accented,
    **{
        f"{ord(mark):x} before": before(mark) for mark in UNSEEN + "\u200e\u115f\u2800\ufe0f\u202e"
    },
    **{f"{ord(mark):x} within": within(mark) for mark in UNSEEN},
    "wide": wide,
    "wide capitals": lambda word: wide(word.upper()),
    "spelt": lambda word: word if " " in word else " ".join(word),
    "dotted": lambda word: word if " " in word else ".".join(word.upper()),
    "an emoji behind": lambda word: f"{word} \U0001f621",
    "twice": lambda word: f"{word} {word}",
}


@pytest.mark.parametrize("language", SEVEN)
def test_1_the_legal_words_in_six_languages_opt_out_however_they_are_written(
    language: str,
) -> None:
    missed = [
        (word, form)
        for word in SEVEN[language]
        for form, write in FORMS.items()
        if HEARING.verdict(write(word), NUMBER) != "stop"
    ]
    assert not missed


@pytest.mark.parametrize("language", SEVEN)
def test_1_they_are_on_the_list_before_the_answer(
    valkey: redis.Redis, front: Config, language: str
) -> None:
    forms = [FORMS[name] for name in ("shouted", "wide capitals", "200b within", "quoted")]

    async def story(door: Front) -> None:
        for at, word in enumerate(SEVEN[language]):
            number = f"+1555000{at:04}"
            text = forms[at % len(forms)](word)
            said = wrote(text, sender=number)
            assert (await door.hook("/receipts/default", said)).status_code == 200
            assert number in listed(valkey), text
            assert number in listed(valkey, CLINIC), "every account that lists the profile"

    run(front, story)


@pytest.mark.parametrize(
    "text",
    [
        *("REVOKE", "Opt out", "OPTOUT", "opt-out", "Stop.", "STOP!", '"STOP"', "Please stop"),
        *("stop texting me", "ARRET", "ARRÊT", "\u200bSTOP", wide("STOP"), "REMOVE", "TD"),
        *("STOPALL", "STOP ALL", "stooop", "unsuscribe", "\u0405\u0422\u041e\u0420"),
        *("\U0001f142\U0001f143\U0001f13e\U0001f13f", "\U0001f1f8\U0001f1f9\U0001f1f4\U0001f1f5"),
        *("\ua731\u1d1b\u1d0f\u1d18", "S-TOP", "$top"),
        *("stop please", "please remove me from your list", "I want you to stop texting me"),
    ],
)
def test_1_what_was_not_heard_opts_out(text: str) -> None:
    assert HEARING.verdict(text, NUMBER) == "stop"


@pytest.mark.parametrize("text", [STOP_BILL, *HOLDING])
def test_1_a_keyword_in_something_else_opts_nobody_out_and_is_read(text: str) -> None:
    assert HEARING.verdict(text, NUMBER) == "review"


def test_1_of_many_replies_nearly_all_revocations_are_caught_and_hardly_another_opts_out(
    record_property: Any,
) -> None:
    others = [*OTHERS, *HOLDING]
    assert len({*REVOCATIONS, *others}) >= 500
    verdicts = {text: HEARING.verdict(text, NUMBER) for text in (*REVOCATIONS, *others)}
    missed = [text for text in REVOCATIONS if verdicts[text] not in ("stop", "review")]
    false = [text for text in others if verdicts[text] == "stop"]
    opted_out = sum(verdicts[text] == "stop" for text in REVOCATIONS) / len(REVOCATIONS)
    read = [text for text in OTHERS if verdicts[text] == "review"]
    record_property("revocations that opt out by themselves", f"{opted_out:.0%}")
    record_property("revocations missed", missed)
    record_property("other replies that a person reads", read)
    assert len(missed) <= 0.02 * len(REVOCATIONS), missed
    assert len(false) <= 0.01 * len(others), false
    assert len(read) <= 0.03 * len(OTHERS), "what has nothing to do with it is not held"


BEFORE = ("", "Please ", "pls ", "Hey, ", "OK ", "I want you to ", "can you ", "I said ")
CORES = (
    *("stop", "stop texting me", "STOP sending me messages", "quit texting me", "unsubscribe me"),
    *("opt me out", "opt out", "remove me from this list", "take me off your list"),
    *("no more texts", "do not text me", "don't contact me", "revoke my consent", "end texts"),
    *("cancel all messages", "delete my number", "leave me alone", "lose my number"),
)
BEHIND = (
    "",
    " please",
    "!!",
    " now",
    " thanks",
    " or I sue",
    " asap",
    ", this is spam",
    " \U0001f621",
)


def test_1_generated_revocations_are_caught() -> None:
    texts = [f"{a}{b}{c}" for a in BEFORE for b in CORES for c in BEHIND]
    missed = [text for text in texts if HEARING.verdict(text) not in ("stop", "review")]
    assert len(texts) > 1_000
    assert not missed


SAID = ("the kids", "my order", "a coffee", "Tuesday", "the price", "your store", "two tickets")
ASKED = ("Where is {}?", "Thanks for {}", "I love {}", "Can we talk about {}", "{} was great")


@pytest.mark.parametrize("word", [*SEVEN["en"], ""])
def test_1_generated_other_replies_opt_nobody_out(word: str) -> None:
    texts = [f"{asked.format(said)} {word}".strip() for said in SAID for asked in ASKED] + [
        f"I have to {word} {said}" for said in SAID
    ]
    assert not [text for text in texts if HEARING.verdict(text) == "stop"]


@given(st.text(max_size=60))
def test_1_any_text_has_a_verdict_and_normalises_to_itself(text: str) -> None:
    assert HEARING.verdict(text) in ("stop", "start", "review", "")
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    "text", ["stop " * 2_000, "do not " * 2_000, "keine " * 2_000, "a" * 99_999]
)
def test_1_a_long_reply_is_read_within_its_first_characters(text: str) -> None:
    assert HEARING.verdict(text) in ("stop", "review", "")


def test_1_words_and_languages_are_the_account_s() -> None:
    assert HEARING.verdict("take a hike") == ""
    own = Hearing(words=["Take a hike!"])
    assert own.verdict("TAKE A HIKE") == "stop"
    assert own.verdict("you take a hike with me") == "review"
    english = Hearing(["en"])
    assert (english.verdict("abmelden"), english.verdict("Stop")) == ("review", "stop")
    assert Hearing(["de"]).verdict("abmelden") == Hearing(["de"]).verdict("revoke") == "stop"


@pytest.mark.parametrize(
    ("word", "there"),
    [("Fine", "+393331234567"), ("Halt", "+4915112345678"), ("Para", "+34600123456")],
)
def test_1_a_common_word_of_another_language_counts_only_where_it_is_a_keyword(
    word: str, there: str
) -> None:
    assert HEARING.verdict(word, there) == "stop"
    assert HEARING.verdict(word, "+447400123456") != "stop"
    [language] = languages_of(there)
    assert Hearing([language]).verdict(word, "+447400123456") == "stop"


@pytest.mark.parametrize(
    "form",
    [
        "Liked \u201c{}\u201d",
        'Loved "{}"',
        "\U0001f44d to \u201c{}\u201d",
        "Disliked \u201c{}\u201d",
    ],
)
def test_1_a_thumb_on_our_own_words_is_no_reply(form: str) -> None:
    ours = "Your order has been shipped. Reply STOP to unsubscribe."
    assert HEARING.verdict(form.format(ours)) == ""
    assert HEARING.verdict(form.format(ours) + " STOP") == "review"
    assert HEARING.verdict(form.format("STOP")) == "review", "that was no text of ours"


def test_1_a_stop_sign_alone_is_read() -> None:
    assert HEARING.verdict("\U0001f6d1") == "review"
    assert HEARING.verdict("\U0001f44d") == ""


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ('optout_words = ["start"]', "optout_words: each must be a word"),
        ('optout_words = ["!"]', "optout_words: each must be a word"),
        ('optout_words = "x"', "optout_words: must be a list of words"),
        ('optout_languages = ["xx"]', "optout_languages: no such language: xx; known: en, es"),
        ('inbound_url = "http://crm.example"', "inbound_url: must be an https URL"),
        ('inbound_url = "https://127.0.0.1/x"', "set inbound_private = true"),
        ('inbound_url = "https://a:b@crm.example"', "without a user name"),
    ],
)
def test_1_settings_that_cannot_be_meant_are_refused(
    tmp_path: Path, lines: str, named: str
) -> None:
    (tmp_path / "s.toml").write_text(f"[accounts.default]\n{lines}\n")
    with pytest.raises(InvalidConfig) as caught:
        load(tmp_path / "s.toml", {})
    assert named in str(caught.value)
    assert "line 2" in str(caught.value)


def test_1_what_the_provider_took_for_a_stop_counts(valkey: redis.Redis, front: Config) -> None:
    hear(front, wrote("leave", autoresponse_type="STOP"))
    assert listed(valkey) == [NUMBER]


def test_1_a_stop_counts_whatever_the_provider_took_it_for(
    valkey: redis.Redis, front: Config
) -> None:
    hear(front, wrote("STOP", autoresponse_type="HELP"))
    assert listed(valkey) == [NUMBER]
    hear(front, wrote("Revoke", NOW + 1, autoresponse_type="START"))
    assert listed(valkey) == [NUMBER]


# 1. Replies that a person reads.


@pytest.mark.parametrize("when", ["claim", "start", "retry", "scheduled"])
def test_1_nothing_is_sent_to_whom_a_person_has_to_read(
    valkey: redis.Redis, front: Config, when: str
) -> None:
    bench = Bench(valkey, repeat=True, limit=1000)
    soon = datetime.fromtimestamp(bench.now_ms / 1000 + 0.5, UTC)
    bench.enqueue(message(1, send_at=soon if when == "scheduled" else None))
    grants = bench.claim().grants if when == "start" else []
    if when == "retry":
        bench.send(kind="retry", delay_ms=500, heard=True)
    hear(front, wrote(STOP_BILL))
    assert (listed(valkey), reviewed(valkey)) == ([], [NUMBER])
    assert not grants or bench.start(*grants) == [False]
    for _ in range(3):
        bench.later(600)
        assert bench.claim().grants == []
    status = bench.status("m1")
    assert status.state == "retrying"
    assert "waits for a person" in (status.reason or "")
    assert bench.check() == {"retrying": 1}, "it is held, and not lost"


def test_1_what_was_held_goes_out_once_it_is_released(valkey: redis.Redis, front: Config) -> None:
    bench = Bench(valkey, repeat=True, limit=1000)
    bench.enqueue(message(1), message(2))
    hear(front, wrote(STOP_BILL))
    assert [sent.id for sent in bench.drain(1_000)] == ["m2"], "and nobody else waits"
    bench.later(1_000)
    optouts = OptOuts(valkey, KEYS)
    [review] = optouts.reviews()
    assert optouts.decide({NUMBER: review.at_ms}, "release", who="ann", why="a bill") == [
        "released"
    ]
    bench.at(max(bench.now_ms, due(bench, "m1")))
    assert [sent.id for sent in bench.drain(1_000)] == ["m1"]
    record = bench.record("m1")
    assert (record.get("reason"), record["attempts"]) == (None, "1")
    assert valkey.zcard(KEYS("held")) == 0
    assert acts(valkey) == ["review", "release"]
    assert optouts.decide({NUMBER: review.at_ms}, "release") == ["unknown"]


def test_1_what_is_held_comes_back_on_any_server(store: redis.Redis) -> None:
    bench, optouts = Bench(store, repeat=True, limit=1000), OptOuts(store, KEYS)
    bench.enqueue(message(1), message(2), message(3, to=message(1).to))
    for number in (1, 2):
        said = OptOutAct(source="recipient", text=STOP_BILL).said()
        args: list[Argument] = [
            message(number).to,
            "review",
            1,
            PROFILE,
            said,
            f"e{number}",
            1000,
            1,
            f"t{number}",
        ]
        assert bench.call(HEAR, args) == b"review"
    assert bench.claim().grants == []
    assert bench.check() == {"retrying": 3}
    assert optouts.decide({message(1).to: None}, "release") == ["released"]
    assert store.zcard(KEYS("held")) == 1
    bench.at(max(bench.now_ms, due(bench, "m1"), due(bench, "m3")))
    assert {sent.id for sent in bench.drain(1_000)} == {"m1", "m3"}


def test_1_what_was_held_is_suppressed_once_they_opt_out(
    valkey: redis.Redis, front: Config
) -> None:
    bench = Bench(valkey, repeat=True, limit=1000)
    july = plan()
    bench.campaigns.create(july)
    ann = recipient(july, 1)
    bench.add("july", ann)
    bench.act("july", "start")
    hear(front, wrote(STOP_BILL, sender=ann.to))
    assert bench.claim().grants == []
    assert bench.check() == {"retrying": 1}
    assert OptOuts(valkey, KEYS).decide({ann.to: None}, "opt out", who="me") == ["opted out"]
    bench.at(max(bench.now_ms, due(bench)))
    assert bench.claim().grants == []
    assert bench.check() == {"suppressed": 1}
    assert acts(valkey, ann.to) == ["review", "opt out"]


def due(bench: Bench, id: str = "") -> float:
    """When the message, or any, is due."""
    entries = dict(bench.store.zrange(bench.keys("due"), 0, -1, withscores=True))
    return float(entries[id.encode()] if id else max(entries.values()))


def test_1_a_stop_ends_the_review(valkey: redis.Redis, front: Config) -> None:
    hear(front, wrote(STOP_BILL), wrote("STOP", NOW + 1))
    assert (listed(valkey), reviewed(valkey)) == ([NUMBER], [])
    hear(front, wrote("I told you to stop, you clowns", NOW + 2))
    assert reviewed(valkey) == [], "nothing more is to be decided"
    assert acts(valkey) == ["review", "stop", "reply"]


def test_1_a_decision_is_about_the_reply_that_was_read(valkey: redis.Redis, front: Config) -> None:
    hear(front, wrote(STOP_BILL))
    optouts = OptOuts(valkey, KEYS)
    [read] = optouts.reviews()
    hear(front, wrote("leave me alone", NOW + 1))
    assert optouts.decide({NUMBER: read.at_ms - 1}, "release") == ["changed"]
    [review] = optouts.reviews()
    assert (review.count, review.text, review.since_ms) == (2, "leave me alone", read.since_ms)


def test_1_a_cancelled_or_expired_message_is_no_longer_held(
    valkey: redis.Redis, front: Config
) -> None:
    bench = Bench(valkey, repeat=True, limit=1000)
    bench.enqueue(message(1))
    hear(front, wrote(STOP_BILL))
    assert bench.claim().grants == []
    assert bench.cancel("m1") == "cancelled"
    assert OptOuts(valkey, KEYS).decide({NUMBER: None}, "release") == ["released"]
    assert bench.check() == {"cancelled": 1}


def test_1_a_held_message_looks_again_should_its_index_be_lost(
    valkey: redis.Redis, front: Config
) -> None:
    bench = Bench(valkey, repeat=True, limit=1000)
    bench.enqueue(message(1))
    hear(front, wrote(STOP_BILL))
    assert bench.claim().grants == []
    valkey.delete(KEYS("held"), KEYS("reviews"))
    bench.later(3_600_000)
    assert [sent.id for sent in bench.drain(1_000)] == ["m1"]


def test_1_why_and_status_say_what_waits_for_a_person(
    cli: Cli, valkey: redis.Redis, front: Config
) -> None:
    cli.bench.enqueue(message(1))
    hear(front, wrote(STOP_BILL))
    assert cli.bench.claim().grants == []
    [wait] = [wait for wait in Waits(valkey, KEYS).account().waits if wait.kind == "review"]
    assert (wait.used, wait.limit) == (1, 1)
    assert "1 message held until you have read what 1 recipient wrote" in cli("why").stdout
    status = cli("status", exits=1).stdout
    assert "1 number has written what may be a revocation" in status
    assert "sluicegate optout review" in status
    assert read_account(valkey, front, "default").reviewed == 1


# START.


@pytest.mark.parametrize("source", ["cli", "import", "lawyer: Smith v. Us", "api"])
def test_1_a_start_lifts_no_word_of_another(
    valkey: redis.Redis, front: Config, source: str
) -> None:
    optouts = OptOuts(valkey, KEYS)
    optouts.add([NUMBER], source, who="ann", why="a letter")
    hear(front, wrote("STOP", NOW - 9), wrote("START", NOW - 8))
    assert listed(valkey) == [NUMBER]
    assert listed(valkey, CLINIC) == [], "there it was only the recipient's own"
    [entry] = optouts
    assert [reason.source for reason in entry.reasons] == [source]
    hear(front, wrote("START", NOW - 7))
    assert listed(valkey) == [NUMBER]
    assert acts(valkey) == ["add", "stop", "start", "start ignored"]


def test_1_a_start_lifts_the_stop_of_its_own_profile(valkey: redis.Redis, front: Config) -> None:
    other = {"messaging_profile_id": OTHER_PROFILE}
    hear(front, wrote("STOP", NOW - 9), wrote("STOP", NOW - 8, **other))
    hear(front, wrote("START", NOW - 7, **other))
    [entry] = OptOuts(valkey, KEYS)
    assert [(reason.source, reason.profile) for reason in entry.reasons] == [("stop", PROFILE)]
    hear(front, wrote("START", NOW - 6))
    assert listed(valkey) == []


def test_1_a_start_lifts_what_the_provider_lists_for_its_profile(
    valkey: redis.Redis, front: Config
) -> None:
    optouts = OptOuts(valkey, KEYS)
    optouts.add_from_provider([(NUMBER, OTHER_PROFILE)])
    valkey.hset(KEYS("optouts"), message(2).to, f"1 provider\t{PROFILE}\t1")
    hear(front, wrote("START", NOW - 5), wrote("START", NOW - 4, sender=message(2).to))
    assert listed(valkey) == [NUMBER], "which another profile's list has"


@pytest.mark.parametrize("at", [253_370_764_800, 0, NOW + 299])
def test_1_a_start_of_no_possible_time_keeps_no_stop_from_counting(
    valkey: redis.Redis, front: Config, at: int
) -> None:
    hear(front, wrote("START", at), wrote("STOP", NOW - 1))
    assert listed(valkey) == [NUMBER]


def test_1_a_stop_of_no_possible_time_counts(valkey: redis.Redis, front: Config) -> None:
    hear(front, wrote("START", NOW - 5), wrote("STOP", 0))
    assert listed(valkey) == [NUMBER]
    hear(front, wrote("START", NOW - 4))
    assert listed(valkey) == [NUMBER], "it is one of now"


@pytest.mark.parametrize("order", [("STOP", "START"), ("START", "STOP")])
def test_1_of_two_words_of_one_moment_the_stop_counts(
    valkey: redis.Redis, front: Config, order: tuple[str, str]
) -> None:
    hear(front, *(wrote(word, NOW - 9) for word in order))
    assert listed(valkey) == [NUMBER]


def test_1_an_entry_of_version_0_1_is_read_and_lifted(valkey: redis.Redis, front: Config) -> None:
    valkey.hset(KEYS("optouts"), NUMBER, f"{NOW * 1000 - 5} stop")
    [entry] = OptOuts(valkey, KEYS)
    assert (entry.source, entry.since_ms) == ("stop", NOW * 1000 - 5)
    hear(front, wrote("START", NOW))
    assert listed(valkey) == []
    valkey.hset(KEYS("optouts"), NUMBER, "1 cli")
    hear(front, wrote("START", NOW - 1))
    assert listed(valkey) == [NUMBER]


# The history.


def test_1_the_history_has_number_text_time_source_and_who(
    valkey: redis.Redis, front: Config
) -> None:
    optouts = OptOuts(valkey, KEYS)
    hear(front, wrote("Stop, mir reichen die Angebote \u2764", NOW - 7), wrote("ARRÊT", NOW - 6))
    optouts.remove([NUMBER], "cli", who="ben", why="asked on the phone")
    optouts.add([NUMBER], "cli", who="ann", why='a "letter"\nof two lines')
    events = optouts.history(NUMBER)
    assert [(e.act, e.source, e.who, e.why) for e in events] == [
        ("review", "recipient", "", ""),
        ("stop", "recipient", "", ""),
        ("remove", "cli", "ben", "asked on the phone"),
        ("add", "cli", "ann", 'a "letter"\nof two lines'),
    ]
    assert [e.text for e in events[:2]] == ["Stop, mir reichen die Angebote \u2764", "ARRÊT"]
    assert events[1].written_ms == (NOW - 6) * 1000
    assert all(e.at_ms > 0 for e in events)
    assert events[1].profile == PROFILE


def test_1_an_event_that_comes_again_is_heard_once(valkey: redis.Redis, front: Config) -> None:
    hear(front, wrote("STOP"), wrote("STOP"), wrote(STOP_BILL), wrote(STOP_BILL))
    assert acts(valkey) == ["stop", "reply"]
    OptOuts(valkey, KEYS).remove([NUMBER])
    hear(front, wrote("STOP"))
    assert listed(valkey) == [], "a person lifted it since"


def test_1_what_the_provider_refuses_for_an_opt_out_is_in_the_history(
    valkey: redis.Redis, front: Config
) -> None:
    bench = Bench(valkey, repeat=True)
    bench.enqueue(message(1))
    bench.send(kind="dead", code="40300", reason="Blocked", opted_out=True, heard=True)
    hear(front, wrote("START"))
    assert listed(valkey) == [NUMBER], "nobody knows for which profile the provider said so"
    assert acts(valkey) == ["provider", "start ignored"]


def test_1_a_full_server_still_hears(front: Config, valkey: redis.Redis) -> None:
    valkey.config_set("maxmemory", "1mb")
    try:
        hear(front, wrote("STOP"), wrote(STOP_BILL, sender="+15550000077"))
        assert (listed(valkey), reviewed(valkey)) == ([NUMBER], ["+15550000077"])
    finally:
        valkey.config_set("maxmemory", "0")


def test_1_the_list_s_size_is_as_documented(valkey: redis.Redis) -> None:
    optouts, count = OptOuts(valkey, KEYS), 2_000
    numbers = [f"+1555{n:07}" for n in range(count)]
    optouts.add(numbers, "cli", who="ann", why="")
    size = int(valkey.memory_usage(KEYS("optout_history"), samples=0) or 0) / count
    assert 100 < size < 250, "see docs/OPTOUTS.md and docs/SIZING.md"


@pytest.mark.parametrize("source", ["stop", "provider", "", " "])
def test_1_nobody_else_s_word_is_taken_for_the_recipient_s(
    valkey: redis.Redis, source: str
) -> None:
    with pytest.raises(InvalidMessage, match="source"):
        OptOuts(valkey, KEYS).add([NUMBER], source)
    OptOuts(valkey, KEYS).add([NUMBER], "cli\n1 stop\tx")
    [entry] = OptOuts(valkey, KEYS)
    assert [reason.source for reason in entry.reasons] == ["cli 1 stop x"]


# The command line.


def test_1_a_person_reads_and_decides(cli: Cli, valkey: redis.Redis, front: Config) -> None:
    others = ("+15550000042", "+15550000043")
    hear(
        front,
        wrote(STOP_BILL),
        wrote("leave me alone", NOW + 1, sender=others[0]),
        wrote("cancel please", NOW + 2, sender=others[1]),
    )
    shown = cli("optout", "review").stdout
    assert STOP_BILL in shown
    assert NUMBER not in shown
    lines = cli.lines("optout", "review", "--full")
    assert {line["number"]: line["text"] for line in lines}[others[0]] == "leave me alone"
    cli("optout", "review", NUMBER, exits=2)
    cli("optout", "review", NUMBER, "--release", "--yes", exits=2)  # it needs a reason
    cli("optout", "review", NUMBER, "--release", "--opt-out", exits=2)
    said = cli("optout", "review", NUMBER, "--release", "--why", "a bill", "--yes").stdout
    assert said == "1 number released\n"
    assert (
        "no reply of it waits"
        in cli("optout", "review", NUMBER, "--release", "--why", "again", "--yes", exits=1).stderr
    )
    assert cli("optout", "review", "--all", "--opt-out", "--yes").stdout == "2 numbers opted out\n"
    assert sorted(listed(valkey)) == sorted(others)
    assert cli("optout", "review").stdout == "no reply waits for you\n"
    actions = {line["action"]: line for line in cli.lines("audit", "list")}
    assert actions["release after review"]["why"] == "a bill"
    assert actions["opt out after review"]["count"] == 2


def test_1_the_history_is_shown_and_exported(
    cli: Cli, valkey: redis.Redis, front: Config, tmp_path: Path
) -> None:
    hear(front, wrote("=1+1 stop"), wrote("STOP", NOW + 1))
    cli("optout", "remove", NUMBER, "--why", "asked for it", "--who", "ann")
    cli("optout", "add", "+15550000009", "--why", "a letter")
    shown = cli("optout", "history", NUMBER).stdout
    for text in ("may be sent to", "review", "stop", "remove", "ann", "asked for it"):
        assert text in shown
    lines = cli.lines("optout", "history", NUMBER)
    assert [line["act"] for line in lines] == ["review", "stop", "remove"]
    assert "nothing was ever said" in cli("optout", "history", "+15550000010").stdout
    cli("optout", "export", "all.csv", "--history")
    file = tmp_path / "all.csv"
    text = file.read_text("utf-8-sig")
    assert NUMBER in text
    assert "'=1+1 stop" in text, "no formula"
    cli("optout", "export", "all.csv", exits=2)
    cli("optout", "export", "list.jsonl", "--format", "jsonl")
    [line] = (tmp_path / "list.jsonl").read_text().splitlines()
    assert json.loads(line)["number"] == "+15550000009"
    cli("optout", "export", "list.csv")
    valkey.delete(KEYS("optouts"))
    said = cli("optout", "import", "list.csv", "--why", "back").stdout
    assert said == "1 number added, 0 known already\n"
    [entry] = OptOuts(valkey, KEYS)
    assert (entry.number, entry.source) == ("+15550000009", "import")
    assert {"export optouts", "import optouts"} <= {
        line["action"] for line in cli.lines("audit", "list")
    }


def test_1_exports_are_for_their_owner_alone(cli: Cli, tmp_path: Path) -> None:
    cli("optout", "add", NUMBER)
    for name, form in (("a.csv", "csv"), ("a.jsonl", "jsonl")):
        cli("optout", "export", name, "--format", form, "--history")
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


@pytest.fixture
def provider() -> Iterator[Any]:
    with simulator_in_thread(Settings(limit=None, api_keys=("KEY",))) as simulator:
        yield simulator


def wrote_to(simulator: Any, profiles: Mapping[str, str]) -> None:
    """Have these numbers write STOP, each to its messaging profile."""
    with httpx.Client() as client:
        for number, profile in profiles.items():
            said = {"from": number, "to": "+15557654321", "text": "STOP"}
            said |= {"messaging_profile_id": profile}
            client.post(f"{simulator.base}/_sim/inbound", json=said).raise_for_status()


def test_1_the_provider_s_own_list_is_taken_over(
    cli: Cli, valkey: redis.Redis, provider: Any
) -> None:
    Path("sluicegate.toml").write_text(
        f'[accounts.default]\nbase_url = "{provider.url}"\nmessaging_profiles = ["one"]\n'
    )
    wrote_to(provider, {f"+1555000{n:04}": "one" if n % 10 else "two" for n in range(260)})
    cli("optout", "add", "+15550000001")
    environment = {"SLUICEGATE_TELNYX_API_KEY": "KEY"}
    result = json.loads(cli("optout", "sync", "--json", env=environment).stdout)
    assert result == {
        "listed": 260, "added": 233, "known": 1, "other_profiles": 26, "unreadable": 0
    }  # fmt: skip
    assert len(listed(valkey)) == 234
    entry = OptOuts(valkey, KEYS).get("+15550000002")
    assert entry is not None
    assert [(r.source, r.profile) for r in entry.reasons] == [("provider", "one")]
    again = cli("optout", "sync", env=environment)
    assert again.stdout == (
        "0 numbers added, 234 known already, 26 of other messaging profiles left out\n"
    )
    assert [line["action"] for line in cli.lines("audit", "list")] == [
        "sync optouts", "add optouts"
    ]  # fmt: skip
    refused = cli("optout", "sync", env={"SLUICEGATE_TELNYX_API_KEY": "wrong key"}, exits=1)
    assert "wrong key" not in refused.output


def test_1_every_language_has_its_words() -> None:
    assert set(SEVEN) <= set(LANGUAGES)
    assert all(row.words and row.clear for row in LANGUAGES.values())
