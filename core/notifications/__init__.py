"""What people are told of in the application: the bell."""
