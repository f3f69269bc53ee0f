"""Notifications: incidents, whom they are told and when, and the ledger of what was delivered."""
