"""Tells people, where they are, what ``status`` would tell them: each thing once.

happening   what is so now, of which people should be told
deciding    what of it is new, has grown, or is over
remembering what has been told, and what each receiver has yet to take: in Redis
receivers   a webhook as Slack takes it, and mail
telling     one look at an account, and what comes of it
"""
