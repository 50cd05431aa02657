"""Judgements: pure functions from looks to findings, a module for each part of the lab sheet."""
