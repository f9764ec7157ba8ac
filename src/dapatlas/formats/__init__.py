"""Formats: one codec a file format, which reads it for experts and writes it for exports."""
