//! One binary for all tests of the crate from outside.

#[cfg(test)]
mod it {
    mod cap;
    mod examples;
    mod extremes;
    mod model;
    mod properties;
    mod snapshots;
    mod world;
}
