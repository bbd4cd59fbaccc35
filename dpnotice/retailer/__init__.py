"""Inside the retailer's walls: everything in this folder may see people; nothing else may."""
