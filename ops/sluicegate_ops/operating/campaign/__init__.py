"""One campaign: its plan, its ledger, its costs, and what guards it."""
