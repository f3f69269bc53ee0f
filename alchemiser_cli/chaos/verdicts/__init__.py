"""What became of each fault: seen, journalled, survived, told, over, and what it cost."""
