"""What everything takes on the disk, and what can go."""
