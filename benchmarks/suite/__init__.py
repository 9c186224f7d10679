"""What runs the rivals: tasks, processes, measurements, limits and results."""
