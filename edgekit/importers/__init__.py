"""Model files to graphs; file formats stay in here."""
