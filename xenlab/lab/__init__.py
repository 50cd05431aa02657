"""The lab's objects that graded steps speak to: hosts, share, guests, migrations and the pings around them."""
