"""The front door: receipts and opt-outs from the provider, and messages from apps, over HTTP."""
