"""Checks: pure functions from what was measured to findings. No volume is read here."""
