"""The candidate: the next version of a model, and what is known of it against the one that answers.

Here: pure code about candidates; time is an argument and nothing is read or written.
Not here: the commands that bring a candidate in (`guard.kit.release`).

evidence   three integers of paired outcomes → harm, safety, an interval; formulas with their sources
paired     pairs of answers to the same requests, by route and metric, and what they decide
arms       live answers of both, by buckets of keys: they only abort
release_state  which release is the model, which was it before, and how far the candidate came
expected   how many pairs a verdict takes, before anything runs
"""
