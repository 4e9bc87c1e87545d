"""What everybody may see, made from books and trades."""
