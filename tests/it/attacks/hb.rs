//! Headers that belong to a connection, and those that speak for somebody else.
