"""What is known of a run, a row and a mixture, as plain data: the commands, pages, cards and the API show it."""
