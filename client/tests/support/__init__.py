"""Real servers and programs for the tests."""
