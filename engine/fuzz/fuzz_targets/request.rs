//! The head of an HTTP request, as anybody may send it.
//!
//! ```text
//! the bytes of a connection
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use overspill_telemetry::request::{HEAD_BYTES_MAX, parse};

fuzz_target!(|data: &[u8]| {
    // What is no request stays so, and what is one stays the same, whatever follows.
    let mut told = None;
    for n in 0..=data.len().min(1_024) {
        let parsed = parse(&data[..n]);
        match &told {
            Some(before) => assert_eq!(&parsed, before),
            None if parsed != Ok(None) => told = Some(parsed),
            None => {}
        }
    }
    let whole = parse(data);
    assert!(data.len() <= HEAD_BYTES_MAX || whole != Ok(None));
    if let Ok(Some(request)) = whole {
        assert!(request.path.starts_with('/') && !request.method.is_empty());
    }
});
