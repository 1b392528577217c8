"""The webhooks that the simulator sends: the events, their times and their signatures."""
