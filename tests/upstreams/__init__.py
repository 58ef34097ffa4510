"""Guard, as `guard serve`, in front of servers that others wrote or specified, through clients that others wrote."""
