"""User data (arrays of any library, lists, tables) to checked columns on a device."""
