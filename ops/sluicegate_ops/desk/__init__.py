"""The desk: the dashboard's pages, and campaigns, for people who log in to ``sluicegate serve``.

passwords   hashes of passwords
sessions    who is logged in, and how often a login may be tried
beside      what waits for Redis, on a few threads beside the loop
visitors    who a request is from, and whether a form of theirs is ours
shell       what surrounds each page, and the files that pages load
forms       what a request's form says
routes      logging in and out, the dashboard's pages and acts
uploading   a file that a browser sends, streamed to disk
drafts      what somebody prepares, in a folder of its own
jobs        commands in processes of their own, beside receipts
audience    who a campaign is for, where no file says it
causes      why people were not reached, as a report says it
form_words  what commands say, in the words of a form
draft_pages pages of drafts, whatever they are about
blasts      a new campaign: upload, check, test, start
again       a campaign that is there: revise, retry
reached     whom a campaign did not reach, and their list
app         the ASGI app
"""
