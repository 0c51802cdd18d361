"""What `scripts/attack` does to the program, one module for each kind of trouble."""
