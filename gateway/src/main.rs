//! The program `namesake-gateway`.

fn main() {}
