"""What should happen: verdicts, plans, bundles, runs, verification and reports over the `inventory`."""
