"""How messages leave the platform: Slack and mail."""
