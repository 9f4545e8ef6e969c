"""A small WeCom on loopback: members, departments and the admin console."""
