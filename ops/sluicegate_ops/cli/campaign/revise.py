"""``sluicegate campaign revise``: another text for those who have not been started."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from sluicegate.campaigns.columns import matching, named_by_variables, variable
from sluicegate.campaigns.languages import joined
from sluicegate.campaigns.plan import Plan, TextVersion, renderer_for
from sluicegate.campaigns.revising import TextEffect, TextEffects
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.campaigns.template import Template
from sluicegate.errors import BadValue, WrongCampaignState

from ...operating.session import Session
from ...operating.words import clean, cost, counted
from ..kit.acts import by_whom
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.files import message_text
from ..kit.options import AsJsonDocument, Confirmed, TextFileOption, WhoOption, WhyOption
from ..kit.output import tell, write_document
from ..kit.progress import Meter
from .language_texts import texts_by_language
from .options import CampaignOptions, LanguageOption

_VARIABLE = re.compile(r"(\{\{\s*)(\w+)")


@option_set
class ReviseOptions(CampaignOptions):
    """The options of ``campaign revise``."""

    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The text, with {{ columns }} in it.")
    ] = None
    text_file: TextFileOption = None
    language: LanguageOption = None
    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@command
def revise(session: Session, options: ReviseOptions) -> None:
    """Change the text for everybody who has not been started.

    It shows what changes, for how many and at what cost, and asks. The text may
    use the columns that the first one used, and those kept with --keep. Whoever's
    message was begun keeps the text before. When this returns, no POST of the
    text before can start any more. Exits with 1 if somebody could not be sent
    the new text.

    \b
    Example:
      sluicegate campaign revise july --text-file corrected.txt
    """
    campaign = session.campaigns.get(options.name)
    if campaign.state == "cancelled":
        raise WrongCampaignState(options.name, campaign.state, "be revised")
    text = _text(options, campaign.plan)
    try:
        version = TextVersion(text=text, renderer=renderer_for(campaign.plan, text))
        revised = campaign.plan.revised(version).checked()
    except BadValue as error:
        fail(str(error), BAD_INPUT)
    if text == campaign.current.text:
        _report(options, campaign, TextEffect(), "")
        return
    effect = _effect(session, campaign, revised)
    currency = session.account.currency
    if not options.json:
        for line in changed_lines(campaign.current.text, text):
            typer.echo(clean(line))
        tell("\n" + effect_words(effect, currency))
    if effect.refused:
        fail(
            f"{counted(effect.refused, 'recipient')} of them could not be sent it: "
            f"{effect.reason}; nothing was done: give a default, as in "
            '{{ name|default("friend") }}, or shorten the text'
        )
    confirm(f"Send version {campaign.version + 1} to everybody who waits?", options.yes)
    by = by_whom(options.who, options.why, needed=False)
    _report(options, session.campaigns.revise(options.name, text, by), effect, currency)


def _text(options: ReviseOptions, plan: Plan) -> str:
    """The new text, by language where the campaign has several."""
    text = message_text(options.text, options.text_file)
    text = None if text is None else _named(text, plan.values)
    column = plan.language_column
    if options.language:
        if column is None:
            fail(f"{plan.name} has one text for all: leave --language out", BAD_INPUT)
        texts = texts_by_language(options.language)
        named = {code: _named(each, plan.values) for code, each in texts.items()}
        return joined(variable(column), named, text)
    if text is None:
        fail("give the text: either --text or --text-file", BAD_INPUT)
    if column is not None and variable(column) not in Template(text).variables:
        given = ", ".join(code for code in plan.languages if code)
        fail(f"{plan.name} has texts for {given}: give each with --language again", BAD_INPUT)
    return text


def _named(text: str, values: Sequence[str]) -> str:
    """The text with its columns named as the campaign's tickets do."""

    def renamed(tag: re.Match[str]) -> str:
        found = [] if tag[2] in values else matching(values, tag[2])
        return tag[1] + (values[found[0]] if len(found) == 1 else tag[2])

    return _VARIABLE.sub(renamed, named_by_variables(text, values))


def changed_lines(before: str, after: str) -> Iterator[str]:
    """The lines of two texts, with - before those that go and + before those that come."""
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return (line for line in lines if not line.startswith("?"))


def effect_words(effect: TextEffect, currency: str) -> str:
    """What another text does, in words."""
    before, after = effect.segments_before, effect.segments_after
    who = f"{counted(effect.recipients, 'recipient')} wait for it"
    if before == after:
        return f"{who}, in as many segments: {after:,}"
    much = f"{cost(effect.cost_after, currency)} instead of {cost(effect.cost_before, currency)}"
    return f"{who}, in {after:,} segments instead of {before:,}: about {much}"


def _effect(session: Session, campaign: Campaign, revised: Plan) -> TextEffect:
    effects = TextEffects(revised, session.account)
    waiting = session.campaigns.ledger(campaign.name).states["waiting"]
    with Meter("looking at those who wait", waiting) as meter:
        for page in session.campaigns.unstarted(campaign.name):
            effects.look(page)
            meter.at(effects.found.recipients, effects.found.recipients)
    return effects.summed()


def _report(options: ReviseOptions, campaign: Campaign, effect: TextEffect, currency: str) -> None:
    if not options.json:
        what = f"sends version {campaign.version}" if currency else "has this text already"
        typer.echo(f"{campaign.name} {what}")
        return
    costs: dict[str, Any] = {
        "cost_before": str(effect.cost_before),
        "cost_after": str(effect.cost_after),
        "currency": currency or None,
    }
    about = {"name": campaign.name, "version": campaign.version, "recipients": effect.recipients}
    about |= {"segments_before": effect.segments_before, "segments_after": effect.segments_after}
    write_document(about | costs)
