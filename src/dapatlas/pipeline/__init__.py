"""The pipeline: stages of a build as tasks over cases, and the journal that makes it resumable."""

from dapatlas.pipeline.build import BuildResult, CaseResult, build
from dapatlas.pipeline.find import find_cases
from dapatlas.pipeline.journal import Journal, fingerprint
from dapatlas.pipeline.refinement import Refined, refine_file, refine_folder

__all__ = [
    "BuildResult",
    "CaseResult",
    "Journal",
    "Refined",
    "build",
    "find_cases",
    "fingerprint",
    "refine_file",
    "refine_folder",
]
