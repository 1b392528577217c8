"""What an AI agent may do: look at everything, and draft what a person then lets go out.

drafts   a campaign from rows and a text: checked, or kept as a draft
serving  both, and the pages of the dashboard, as tools of the Model Context Protocol

No tool sends, starts, approves, resumes, replays or changes anything but a draft of its own.
"""
