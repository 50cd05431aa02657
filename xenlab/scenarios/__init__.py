"""Right labs and wrong ones: changes of the embedded lab, and what a run that grades it must then show."""
