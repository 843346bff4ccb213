"""What is kept about one person: finding it, handing it out, erasing it."""
