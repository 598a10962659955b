"""The worker's side: claim a reply, write it, hand it over; and sweep up what lost its worker."""
