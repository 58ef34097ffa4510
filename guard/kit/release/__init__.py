"""`guard release`: what is deployed, written by the model's CI as release.yaml and held against the disk again.

Here: writing, reading and verifying the record of a release, and of the release before.
Not here: the steps of the next version (`guard.kit.candidate`), and a record's digest (`guard.policy.loading.digest`).

options   what the command line says
tree      the digest of a file or folder
commit    what git says
report    an evaluation's report, and whether its numbers are those that were given
record    the record as YAML that reads back the same, and as values
earlier   the release before: kept, and named
write     options → release.yaml
verify    release.yaml → every difference
run       the command
"""
