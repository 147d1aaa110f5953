"""What is wrong on this machine: facts by section, each finding with the way out."""
