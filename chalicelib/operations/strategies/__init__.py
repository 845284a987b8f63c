"""Commands for strategies of users: write one, list them, and check that they keep the engine's rules."""
