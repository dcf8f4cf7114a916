"""From the account to what people read: rows of jobs, weekly mails, the page."""
