"""The review store: doubtful answers, verdicts and their audit trail. No torch in here."""
