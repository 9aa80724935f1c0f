//! Rules, users, names, stamps and decisions: pure, no I/O, no clock.
