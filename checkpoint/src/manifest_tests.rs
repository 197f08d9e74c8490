//! Entries of the log, whole and damaged at any place.

use super::*;

fn changes(stage: u8, group: u16) -> PieceKey {
    PieceKey::Changes {
        stage,
        group,
        as_of_ns: -1,
    }
}

fn manifest() -> Manifest {
    let point = RestartPoint {
        position: Opaque(vec![1, 0, 255]),
        resume_from: u64::MAX,
        clock_max_ns: i64::MIN,
        clock_n_in_tick: 3,
        is_left: true,
    };
    let place = |offset| Place {
        offset,
        length: 20,
        checksum: 7,
    };
    Manifest {
        generation: 4,
        number: 9,
        parts: ManifestParts {
            as_of_ns: -1,
            created_wall_ns: 5,
            layout: Layout {
                processes: 2,
                workers: 4,
            },
            content: vec!["a/b 0123".to_owned()],
            partitions: [("file".to_owned(), [("/a".to_owned(), point)].into())].into(),
            cursors: [("lapi".to_owned(), serde_json::json!({"seq": u64::MAX}))].into(),
            exclusions: vec![serde_json::json!(["file", "/b"])],
            hash_key: Opaque(vec![9; 16]),
        },
        segments: vec![SegmentUse {
            name: "segments/4/-1-p0-0".to_owned(),
            bytes: 100,
            pieces: vec![
                (PieceKey::group(0, 1), place(8)),
                (PieceKey::blob("file:/a"), place(28)),
                (PieceKey::group(1, 1), place(60)),
                (changes(0, 1), place(80)),
            ],
        }],
    }
}

#[test]
fn entries_come_back() {
    let marker = Entry::Generation(Marker {
        generation: 1,
        began_wall_ns: 2,
    });
    for entry in [Entry::Checkpoint(manifest()), marker] {
        let bytes = encode_entry(&entry).unwrap();
        assert_eq!(decode_entry(&bytes), Ok(entry));
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

#[test]
fn no_cut_and_no_changed_bit_is_taken_for_an_entry() {
    let bytes = encode_entry(&Entry::Checkpoint(manifest())).unwrap();
    for end in 0..bytes.len() {
        assert!(decode_entry(&bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let error = decode_entry(&damaged).unwrap_err();
            // A damaged one is not taken for one of a later build, which would stop the job.
            let is_version = matches!(error, ManifestError::Version(_));
            assert!(!is_version, "bit {bit} of byte {at}: {error}");
        }
    }
}

#[test]
fn an_entry_of_a_later_build_is_known_as_such() {
    let body = br#"{"something": "new"}"#;
    let mut bytes = head(2, body).into_bytes();
    bytes.push(b'\n');
    bytes.extend(body);
    assert_eq!(decode_entry(&bytes), Err(ManifestError::Version(2)));
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let error = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = manifest();
        change(&mut manifest);
        encode_entry(&Entry::Checkpoint(manifest))
            .unwrap_err()
            .to_string()
    };
    type Change<'a> = &'a dyn Fn(&mut Manifest);
    let cases: [(Change<'_>, &str); 8] = [
        (
            &|m| m.generation = 9,
            "a generation after its checkpoint in 9",
        ),
        (
            &|m| m.segments[0].name = "segments/../x".into(),
            "a bad name in segments/../x",
        ),
        (
            &|m| m.segments[0].name = "log/x".into(),
            "a bad name in log/x",
        ),
        (
            &|m| m.segments.push(m.segments[0].clone()),
            "a segment twice",
        ),
        (
            &|m| m.segments[0].pieces[0].1.length = 21,
            "a piece out of place",
        ),
        (&|m| m.segments[0].bytes = 79, "a piece out of place"),
        (
            &|m| m.segments[0].pieces[2].0 = PieceKey::group(0, 1),
            "a piece twice or out of range",
        ),
        (
            &|m| m.segments[0].pieces[2].0 = changes(1, 2),
            "changes to what is not there in group 2 of stage 1",
        ),
    ];
    for (change, expected) in cases {
        let actual = error(change);
        assert!(actual.starts_with(expected), "{actual}");
    }
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let mut deep = serde_json::json!(0);
    for _ in 0..200 {
        deep = serde_json::json!([deep]);
    }
    let mut manifest = manifest();
    manifest.parts.cursors.insert("deep".to_owned(), deep);
    assert!(encode_entry(&Entry::Checkpoint(manifest)).is_err());
}

#[test]
fn a_key_is_not_shown() {
    assert!(!format!("{:?}", manifest()).contains("9, 9, 9"));
}
