"""What can be asked: jobs, totals, green jobs, the grid, the week. Commands, mail, page and API all ask here."""
