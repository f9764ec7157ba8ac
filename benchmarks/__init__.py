"""Speed and memory, side by side with the naive way or a peer, and with what the machine can do at best.

``python -m benchmarks`` from the root of the repository prints the table; see ``README.md`` beside this file.
"""
