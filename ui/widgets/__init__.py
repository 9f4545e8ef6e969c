"""Parts that several pages share. They know the theme and the texts, and no facade."""
