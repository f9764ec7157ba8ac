"""`dapatlas phantom`."""
def phantom() -> None:
    """x"""
