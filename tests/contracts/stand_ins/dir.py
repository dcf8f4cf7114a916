"""It answers nothing, so the laws of ledgers are not for it: see tests/server/test_inbox.py."""

TAKES_ONLY = True
