"""`guard release`: what is deployed, written by the model's CI as release.yaml, and held against the disk again.

asked     what the command line says
tree      the digest of a file or folder
commit    what git says
report    an evaluation's report, and whether its numbers are those that were given
record    the record as YAML that reads back the same, and as values
earlier   the release before: kept, and named
write     asked → release.yaml
verify    release.yaml → every difference
run       the command
"""
