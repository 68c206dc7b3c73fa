"""Lets tools that look for a setup.py find the project; everything is said in pyproject.toml."""

from setuptools import setup

setup()
