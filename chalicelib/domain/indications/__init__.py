"""The step indications of the main engine: measured market conditions; the indication tick calls them."""
