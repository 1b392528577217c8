"""The pages of the dashboard, whatever serves them: what each reads, and how it is drawn.

users       the people whom the configuration names
accounts    the accounts that pages read, each by one session
parts       bars and shares, as numbers that a template draws
charts      charts of a trend, likewise
overview    is it sending; if not, why, and what to do
campaigns   all campaigns, and one of them
queue       lanes, what is used up, and halts
letters     dead letters, messages in doubt, messages sent twice
search      one message
people      opt-outs, replies to read, and the audit
person      who looks, and what that person may do
acts        what people do from a page
pages       every page, its path, and the answer to one look at it
sharing     one look for all who look at the same page
polling     what a page is told that looks again
drawing     a page's answer as HTML
in_flower   the pages inside Flower
"""
