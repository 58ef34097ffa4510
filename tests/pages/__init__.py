"""The pages of docs/ as people use them: each policy is checked, and each shown command is run and answers what the page says."""
