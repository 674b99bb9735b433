"""What follows a move: the sites in care, their backups and restore tests, certificates, monitoring, register entries and letters."""
