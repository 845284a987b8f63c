"""Builds the World once per container: stores, queues, venues, clock. Heavy imports happen here, lazily."""
