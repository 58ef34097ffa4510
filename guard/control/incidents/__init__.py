"""Who is told when something is wrong, once, and when it is over.

events   events of the log → what opens and what ends; the table of kinds
ledger   incidents: their states, and when somebody is told
storms   the sink that sees when a route's requests break its contract in numbers
alerts   an incident → what a webhook receives, in either format
mail     queues, retries and the thread that sends
desk     all of it in one process

Only `mail` does I/O and only `desk` reads a clock; what is told holds words of guard, of the policy and of operators.
"""
