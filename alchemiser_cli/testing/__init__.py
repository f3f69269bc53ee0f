"""Fakes and fixtures that users may import too."""
