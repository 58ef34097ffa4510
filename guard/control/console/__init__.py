"""The console: a page on the admin listener that shows what the admin API says, and gives its orders.

Here: whose a browser's request is, sessions, the files of the page, and the counts of the last hours.
Not here: the documents that the page reads and the orders that it gives (`guard.control.admin`).

access       whose a browser's request is
sessions     who has signed in
application  answers below /console/
files        the files of the page, of `static/`: modules without a build step
history      counts of the last hours
wiring       makes all of it of a policy
"""
