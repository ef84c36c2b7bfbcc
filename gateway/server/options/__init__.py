"""Options of a TOML file: declared once, read with every fault at once, described from the same.

An option is a field of a frozen struct: ``name: Annotated[type, KIND, "what it means"] = default``.
"""
