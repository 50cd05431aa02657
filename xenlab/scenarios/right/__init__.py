"""Right labs: none may turn anything red."""
