"""What diagnose is made of: how failures are worded, how they are read, what each cause means."""
