"""The dictionary itself: data only, a module for each origin of words."""
