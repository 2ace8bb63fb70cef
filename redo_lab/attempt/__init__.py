"""One attempt at a study: saved, reported, stopped and continued. It knows no RL."""
