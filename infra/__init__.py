"""Building and deploying: what goes into the functions' zip and the templates; nothing here is deployed."""
