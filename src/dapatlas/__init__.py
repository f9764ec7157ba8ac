"""dapatlas: build, check and publish dense whole-body CT anatomy atlases.

The sub-packages are the stages that a CT passes on its way into the atlas;
``docs/architecture.md`` has the picture.
"""

__version__ = "0.1.0"
