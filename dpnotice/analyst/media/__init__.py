"""What one vehicle does to a person, by draw and cell."""
