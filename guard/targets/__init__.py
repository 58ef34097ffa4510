"""Targets that are measured in the process, and act.

Here: whether objectives are kept, and what calls may still cost; pure, so that time is an argument.
Not here: what a policy declares (`guard.policy`), and the files that keep sums over a restart (`guard.control`).

counting    the sink that counts good and bad requests
rings       events of an objective in windows
burn        burn rates, and the state that follows
descent     when a route that burns is lowered and raised
volume      silence and surge
ledger      a budget's sums of a day: integers
estimates   sizes of requests and answers, learnt from the calls before
budgets     prices and budgets of calls: reserve before, settle after
metered     a streamed answer that reserves as it goes
"""
