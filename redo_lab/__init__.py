"""Experiments on plasticity in deep reinforcement learning (Sokar et al., 2023)."""
