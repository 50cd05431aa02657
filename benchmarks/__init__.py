"""What README.md and docs/ quote, each measured by one command."""
