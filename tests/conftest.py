"""Settings of all tests: hypothesis without deadlines, because machines that run tests are noisy."""

from hypothesis import settings

settings.register_profile("cts", deadline=None)
settings.load_profile("cts")
