"""What the windows show that is made by scripts: the icon, and the licences of others."""
