"""The pipeline: stages of a build as tasks over cases, and the journal that makes it resumable."""

from dapatlas.pipeline.build import BuildResult, CaseResult, build, find_cases
from dapatlas.pipeline.journal import Journal, fingerprint

__all__ = ["BuildResult", "CaseResult", "Journal", "build", "find_cases", "fingerprint"]
