//! Checkpoints: entries of the log, segments, and whole stores in which anything lies.
//!
//! ```text
//! which, one letter | the bytes
//! ```
//!
//! An `e`ntry, a `s`egment. A capital letter has the checksums made right first, so that what is behind them is reached:
//! `E` is the version, one byte, and the body of an entry; `S` is records, each a length and what its checksum is of. `w`:
//! pieces that are written, committed and read back; then one byte of one object is changed. `v`: objects by
//! name.

#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use overspill_checkpoint::{
    Blobs, CheckpointError, Depth, Entry, Layout, ManifestError, ManifestParts, MemoryBlobs,
    PieceKey, SegmentError, SegmentId, SegmentWriter, Settings, Vault, decode_entry, decode_piece,
    decode_segment, encode_entry,
};
use overspill_fuzz::{Input, text};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    match input.byte() {
        b'e' => {
            let _ = entry(input.0);
        }
        b'E' => made_entry(input.0),
        b's' => {
            let _ = segment(input.0);
        }
        b'S' => made_segment(input),
        b'w' => written(input),
        _ => anything(input),
    }
});

/// What was read is written so that it reads the same.
fn entry(bytes: &[u8]) -> Result<Entry, ManifestError> {
    let entry = decode_entry(bytes)?;
    let first = match encode_entry(&entry) {
        Ok(first) => first,
        Err(error) => panic!("an entry that was read: {error}"),
    };
    match decode_entry(&first) {
        // Numbers that are no integers may lose a bit the first time.
        Ok(again) => assert_eq!(
            encode_entry(&again).map(|bytes| decode_entry(&bytes)),
            Ok(Ok(again))
        ),
        Err(error) => panic!("an entry's own bytes: {error}"),
    }
    Ok(entry)
}

/// A body that is JSON of an entry is encoded, which makes its checksum.
fn made_entry(body: &[u8]) {
    let Ok(made) = serde_json::from_slice::<Entry>(body) else {
        return;
    };
    if let Ok(bytes) = encode_entry(&made) {
        assert!(entry(&bytes).is_ok());
        for at in [0, 25, 60, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode_entry(&damaged).is_err(), "byte {at}");
        }
    }
}

/// Each piece is also found by itself, and is not taken for another.
fn segment(bytes: &[u8]) -> Result<usize, SegmentError> {
    let pieces = decode_segment(bytes)?;
    for (piece, place) in &pieces {
        let from = place.offset as usize;
        let record = &bytes[from..from + place.length as usize];
        assert_eq!(decode_piece(record, &piece.key, *place).as_ref(), Ok(piece));
        let other = PieceKey::blob("other than any");
        assert!(piece.key == other || decode_piece(record, &other, *place).is_err());
    }
    Ok(pieces.len())
}

fn made_segment(mut input: Input<'_>) {
    let mut bytes = b"ovspseg1".to_vec();
    while !input.is_empty() {
        let piece = input.piece();
        bytes.extend(crc32fast::hash(piece).to_le_bytes());
        bytes.extend(piece);
    }
    let _ = segment(&bytes);
}

fn vault(store: &Arc<MemoryBlobs>) -> Vault {
    let settings = Settings {
        segments_max: 2,
        ..Settings::default()
    };
    Vault::open(Arc::clone(store) as Arc<dyn Blobs>, settings)
}

type State = BTreeMap<PieceKey, Vec<u8>>;

fn read(vault: &Vault) -> Result<Option<State>, CheckpointError> {
    let Some(restored) = vault.newest(Depth::Whole)?.restored else {
        return Ok(None);
    };
    let mut state = State::new();
    restored.read(
        |_| true,
        |piece| {
            state.insert(piece.key, piece.bytes.to_vec());
            Ok::<_, CheckpointError>(())
        },
    )?;
    Ok(Some(state))
}

/// What is committed is read back; with one byte changed anywhere, an earlier state is, or none.
fn written(mut input: Input<'_>) {
    let store = Arc::new(MemoryBlobs::new());
    let vault = vault(&store);
    let [which, low, high, with] = input.array();
    let Ok(mut generation) = vault.begin_generation(0) else {
        panic!("memory failed");
    };
    let (mut state, mut states) = (State::new(), vec![None]);
    let mut since_ns = None;
    while !input.is_empty() && states.len() < 20 {
        let as_of_ns = since_ns.map_or(0, |ns: i64| ns + 1);
        let id = SegmentId {
            generation: generation.number(),
            as_of_ns,
            process: 0,
        };
        let blobs = Arc::clone(&store) as Arc<dyn Blobs>;
        let mut writer = SegmentWriter::new(blobs, id, since_ns).with_segment_bytes(200);
        for _ in 0..input.byte() % 8 {
            let [stage, group] = input.array();
            let bytes = input.piece();
            let (is_whole, stage, group) = (stage < 128, stage % 3, u16::from(group) * 4);
            let key = PieceKey::group(stage, group);
            let changes = PieceKey::Changes {
                stage,
                group,
                as_of_ns,
            };
            if is_whole && writer.add(stage, group, bytes).is_ok() {
                let is_of_it = |key: &PieceKey| {
                    matches!(*key, PieceKey::Changes { stage: s, group: g, .. } if (s, g) == (stage, group))
                };
                state.retain(|key, _| !is_of_it(key));
                state.insert(key, bytes.to_vec());
            } else if !is_whole
                && state.contains_key(&key)
                && writer.add_changes(stage, group, bytes).is_ok()
            {
                state.insert(changes, bytes.to_vec());
            }
        }
        state.retain(|_, bytes| !bytes.is_empty());
        let parts = ManifestParts {
            as_of_ns,
            layout: Layout {
                processes: 1,
                workers: 1,
            },
            ..ManifestParts::default()
        };
        let done = writer
            .finish()
            .and_then(|ack| generation.commit(parts, &[ack]))
            .and_then(|_| generation.collect(0));
        if let Err(error) = done {
            panic!("memory failed: {error}");
        }
        states.push(Some(state.clone()));
        since_ns = Some(as_of_ns);
        match read(&vault) {
            Ok(found) => assert_eq!(Some(&found), states.last()),
            Err(error) => panic!("what was committed: {error}"),
        }
    }
    let Ok(mut objects) = store.list("log/") else {
        return;
    };
    objects.extend(store.list("segments/").unwrap_or_default());
    let name = &objects[usize::from(which) % objects.len()].name;
    let Ok(Some(mut bytes)) = store.get(name) else {
        return;
    };
    let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
    bytes[at] ^= with;
    store.damage(name, bytes);
    match read(&vault) {
        Ok(found) => assert!(states.contains(&found), "a state that never was"),
        Err(error) => panic!("damage is no failure: {error}"),
    }
    let _ = vault.list();
}

/// Whatever lies in a store, it is looked at and gone on from.
fn anything(mut input: Input<'_>) {
    let store = Arc::new(MemoryBlobs::new());
    while !input.is_empty() {
        let name = text(input.field()).to_owned();
        let bytes = input.piece().to_vec();
        if let Ok(entry) = serde_json::from_slice::<Entry>(&bytes)
            && let Ok(bytes) = encode_entry(&entry)
        {
            store.damage(&name, bytes);
        } else {
            store.damage(&name, bytes);
        }
    }
    let vault = vault(&store);
    let _ = (read(&vault), vault.list());
    if let Ok(mut generation) = vault.begin_generation(0) {
        let _ = generation.restore(Depth::Listed);
        let _ = generation.collect(i64::MAX);
        let parts = ManifestParts {
            as_of_ns: i64::MAX,
            ..ManifestParts::default()
        };
        let _ = generation.commit(parts, &[]);
        let _ = generation.collect(i64::MIN);
    }
}
