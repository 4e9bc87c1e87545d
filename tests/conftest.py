"""Settings that every test shares."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long one example takes depends on what else the machine does, and on coverage's tracing.
# The rest stays as hypothesis chose, which under CI is the same examples at every run.
settings.register_profile(
    "quotefold",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quotefold")
