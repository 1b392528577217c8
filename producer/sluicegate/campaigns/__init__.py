"""Campaigns: recipients from files, texts from templates, and a ledger that adds up."""
