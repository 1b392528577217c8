"""What people are told of an account and do to it, whatever asks: a command, or a page.

session    one account, on one connection
words      times, lengths and counts for people; numbers masked
pasting    what is pasted into a shell
advice     what a code means, and what to do
status     what is wrong, why, and what to do
message    one message; ``letters``, ``doubts``, ``reviews``: lists of those that need a person
campaign   one campaign; ``audit``: what people did
"""
