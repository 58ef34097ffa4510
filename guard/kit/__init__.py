"""The kit: what the commands do that help people before, during and after a launch.

Here: a package or file for each command, and what they share: `description`, `evidence`, `pages`, `files`.
Not here: options and arguments (`guard.cli`), and anything that a running guard needs to serve.
"""
