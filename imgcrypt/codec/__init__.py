"""What the nets' numbers become as bytes: how many bits each gets, how they are packed, how loss is borne."""
