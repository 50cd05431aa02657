"""What the README quotes, each measured by one command."""
