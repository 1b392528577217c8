"""What people do from a page: each act asks first, and goes through the functions of a command.

acting      an act, the question that it asks, and what a form said
campaigns   pause, resume, cancel, pace, approve
halts       halt a level, and let it go on
letters     replay and purge dead letters, clear what was sent twice
doubts      decide on messages in doubt
optouts     add and remove numbers, decide on replies
performing  every act by its name: asking it, and doing it
"""
