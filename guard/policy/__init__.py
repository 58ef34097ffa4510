"""The policy: YAML as typed, frozen models, and the plan that is made of them.

Here: every key with its default and its checks, loading (`loading`), compiling (`compiling`), and kept state.
Not here: what a compiled contract, rung or dialect does with a request: that is in its family.
"""
