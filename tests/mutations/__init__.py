"""A standing list of planted mistakes: each must be caught by the tests; run by `make test-mutations`."""
