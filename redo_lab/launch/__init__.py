"""Many runs at once: the pool on this machine and what the user sees of it."""
