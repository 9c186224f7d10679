"""What an epoch draws: the order of its patches, their crops and symmetries, and a rank's share."""
