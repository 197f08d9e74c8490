//! Which segments are put together.

use super::*;

/// Segments of so many bytes, of which so many are needed.
fn segments(sizes: &[(u64, u64)]) -> Vec<SegmentUse> {
    let segment = |(at, (bytes, live)): (usize, &(u64, u64))| SegmentUse {
        name: format!("segments/1/{at}"),
        bytes: *bytes,
        pieces: vec![(
            PieceKey::group(0, u16::try_from(at).unwrap()),
            Place {
                offset: 8,
                length: *live,
                checksum: 0,
            },
        )],
    };
    sizes.iter().enumerate().map(segment).collect()
}

fn chosen(sizes: &[(u64, u64)]) -> Vec<String> {
    let settings = Settings {
        segments_max: 4,
        compact_bytes_max: 1_000,
        ..Settings::default()
    };
    to_compact(&segments(sizes), &settings, 1)
        .iter()
        .map(|segment| segment.name.replace("segments/1/", ""))
        .collect()
}

#[test]
fn sparse_ones_are_rewritten_alone_and_full_ones_only_when_there_are_too_many() {
    let full = (1_000, 976);
    assert_eq!(chosen(&[]), [""; 0]);
    assert_eq!(chosen(&[full, full, full, full]), [""; 0]);
    assert_eq!(chosen(&[full, (1_000, 400), full]), ["1"]);
    // What is small is not sparse: the frame does not count.
    assert_eq!(chosen(&[(41, 17)]), [""; 0]);
    let sizes = [(400, 376), (300, 276), (100, 76), (200, 176), (500, 476)];
    assert_eq!(chosen(&sizes), ["2", "3", "1", "0"]);
    // No more than the bytes of one commit, sparse ones first.
    let sizes = [(400, 376), (3_000, 500), (100, 76), (200, 176), (500, 476)];
    assert_eq!(chosen(&sizes), ["1", "2", "3"]);
    // One that is too large for a commit is rewritten alone.
    assert_eq!(chosen(&[(9_000, 2_000), full]), ["0"]);
    // But not if it is full.
    assert_eq!(chosen(&[(9_000, 8_976); 5]), [""; 0]);
    // Large ones are not too many.
    assert_eq!(chosen(&[full, full, full, full, (400, 376)]), [""; 0]);
}
