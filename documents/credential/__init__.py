"""The machine credential of a certificate: an Open Badge 3.0, the issuer's keys, and the list of what holds no more."""
