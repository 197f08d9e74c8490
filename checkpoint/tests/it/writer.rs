//! Segments of one process: cut into several, tried again, taken over.

use std::sync::Arc;

use overspill_checkpoint::{
    Blobs, Change, CheckpointError, Depth, MemoryBlobs, PieceKey, SegmentAck,
};

use super::faults::{Fate, FaultyBlobs};
use super::harness::{parts, state, vault, writer};

#[test]
fn many_pieces_become_several_segments_and_come_back() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let mut writer = writer(&store, generation.number(), 0, 10, None);
    for group in 0..1_024 {
        writer.add(1, group, &group.to_le_bytes()).unwrap();
    }
    let ack = writer.finish().unwrap();
    assert!(ack.changes.len() > 30 && ack.n_bytes() > 10_000);
    // As it crosses the dataflow.
    let crossed = serde_json::to_string(&ack).unwrap();
    let ack: SegmentAck = serde_json::from_str(&crossed).unwrap();
    generation.commit(parts(10, 1), &[ack]).unwrap();
    let restored = vault(&store).newest(Depth::Whole).unwrap().restored;
    let restored = restored.unwrap();
    for (key, bytes) in state(&restored) {
        let PieceKey::Group { stage: 1, group } = key else {
            panic!("{key}");
        };
        assert_eq!(bytes, group.to_le_bytes());
        assert_eq!(restored.group(1, group).unwrap(), [bytes]);
    }
    assert!(restored.group(0, 5).unwrap().is_empty());
    assert_eq!(restored.blob("x").unwrap(), None);
}

#[test]
fn a_writer_in_the_memory_of_another_has_nothing_of_what_that_one_wrote() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let mut first = writer(&store, generation.number(), 0, 10, None);
    first.add(0, 1, &[b'x'; 300]).unwrap();
    generation
        .commit(parts(10, 1), &[first.finish().unwrap()])
        .unwrap();
    let memory = first.into_memory();
    assert!(
        memory.capacity() >= 300,
        "there is something to be used again"
    );
    let mut second = writer(&store, generation.number(), 0, 20, Some(10)).within(memory);
    second.add(0, 2, b"two").unwrap();
    generation
        .commit(parts(20, 1), &[second.finish().unwrap()])
        .unwrap();
    let restored = vault(&store).newest(Depth::Whole).unwrap().restored;
    let restored = restored.unwrap();
    assert_eq!(restored.group(0, 1).unwrap(), [vec![b'x'; 300]]);
    assert_eq!(restored.group(0, 2).unwrap(), [b"two".to_vec()]);
}

#[test]
fn what_cannot_be_written_is_said_at_once() {
    let store: Arc<dyn Blobs> = Arc::new(MemoryBlobs::new());
    let mut first = writer(&store, 1, 0, 10, None);
    let error = |result: Result<(), CheckpointError>| result.unwrap_err().to_string();
    assert_eq!(
        error(first.add(0, 1_024, b"x")),
        "group 1024 of stage 0: out of range"
    );
    assert!(error(first.add_blob("", b"x")).ends_with("out of range"));
    first.add(0, 1, b"x").unwrap();
    assert!(error(first.add(0, 1, b"y")).ends_with("was added before"));
    assert_eq!(
        error(first.add_changes(0, 1, b"y")),
        "changes as of 10 of group 1 of stage 0: was added before"
    );
    assert!(error(first.add_changes(0, 2, b"")).ends_with("without bytes"));
    first.add_changes(0, 3, b"y").unwrap();
    assert!(error(first.add(0, 3, b"z")).ends_with("was added before"));
    first.finish().unwrap();
    // The same process for the same moment again, with something else.
    let mut second = writer(&store, 1, 0, 10, None);
    second.add(0, 2, b"x").unwrap();
    assert_eq!(
        second.finish().unwrap_err().to_string(),
        "segments/00000000000000000001/10-p0-0 was written already, with other content"
    );
}

#[test]
fn a_lost_answer_and_a_failing_store_are_overcome_by_trying_again() {
    for fate in [Fate::Refused, Fate::AnswerLost] {
        for n in 0..3 {
            let faulty = FaultyBlobs::new();
            let store = Arc::clone(&faulty) as Arc<dyn Blobs>;
            let mut writer = writer(&store, 1, 0, 10, None);
            faulty.fail(Some((n, fate)));
            for group in 0..3 {
                writer.add(0, group, &[b'x'; 400]).unwrap();
            }
            let error = writer.finish().unwrap_err();
            assert!(error.may_pass(), "{error:?}");
            faulty.fail(None);
            let ack = writer.finish().unwrap();
            assert_eq!(ack.changes.len(), 3);
            assert_eq!(writer.finish().unwrap(), ack, "the same again");
        }
    }
}

#[test]
fn the_next_checkpoint_takes_over_what_could_not_be_written() {
    let faulty = FaultyBlobs::new();
    let store = Arc::clone(&faulty) as Arc<dyn Blobs>;
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let number = generation.number();
    faulty.fail(Some((0, Fate::Refused)));
    let mut first = writer(&store, number, 0, 10, None);
    first.add(0, 1, b"old").unwrap();
    first.add(0, 2, b"only here").unwrap();
    first.add(0, 3, b"removed after").unwrap();
    first.finish().unwrap_err();
    faulty.fail(None);
    let mut second = writer(&store, number, 0, 20, Some(10));
    second.carry(first);
    second.add(0, 1, b"new").unwrap();
    second.add(0, 3, b"").unwrap();
    let ack = second.finish().unwrap();
    assert_eq!(ack.since_ns, None);
    assert!(matches!(ack.changes[0], Change::Written { .. }));
    generation.commit(parts(20, 1), &[ack]).unwrap();
    let restored = vault(&store).newest(Depth::Whole).unwrap().restored;
    let restored = restored.unwrap();
    let group = |group| restored.group(0, group).unwrap();
    assert_eq!(group(1), [b"new"]);
    assert_eq!(group(2), [b"only here"]);
    assert!(group(3).is_empty());
}

#[test]
fn changes_follow_their_state_until_it_is_written_anew() {
    let faulty = FaultyBlobs::new();
    let store = Arc::clone(&faulty) as Arc<dyn Blobs>;
    let mut generation = vault(&store).begin_generation(0).unwrap();
    let number = generation.number();
    let mut since_ns = None;
    let mut unwritten = None;
    let mut go = |as_of_ns: i64, pieces: &[(u16, &[u8], bool)], fails: bool| {
        let mut writer = writer(&store, number, 0, as_of_ns, since_ns);
        for (group, bytes, is_whole) in pieces {
            match is_whole {
                true => writer.add(0, *group, bytes).unwrap(),
                false => writer.add_changes(0, *group, bytes).unwrap(),
            }
        }
        if let Some(earlier) = unwritten.take() {
            writer.carry(earlier);
        }
        faulty.fail(fails.then_some((0, Fate::Refused)));
        let ack = writer.finish();
        faulty.fail(None);
        let Ok(ack) = ack else {
            unwritten = Some(writer);
            return [1, 2].map(|_| Vec::new());
        };
        since_ns = Some(as_of_ns);
        generation.commit(parts(as_of_ns, 1), &[ack]).unwrap();
        let restored = vault(&store).newest(Depth::Whole).unwrap().restored;
        let restored = restored.unwrap();
        [1, 2].map(|group| restored.group(0, group).unwrap())
    };
    go(-20, &[(1, b"state", true), (2, b"other", true)], false);
    go(-10, &[(1, b"first", false)], false);
    // What the store did not take stands before what comes after.
    go(10, &[(1, b"second", false), (2, b"one", false)], true);
    let groups = go(20, &[(1, b"third", false)], false);
    let first: [&[u8]; 4] = [b"state", b"first", b"second", b"third"];
    assert_eq!(groups[0], first);
    assert_eq!(groups[1], [&b"other"[..], b"one"]);
    go(30, &[(1, b"fourth", false)], true);
    let groups = go(40, &[(1, b"anew", true), (2, b"", true)], false);
    assert_eq!(groups[0], [b"anew"]);
    assert!(groups[1].is_empty());
    let groups = go(50, &[(1, b"fifth", false), (2, b"again", true)], false);
    assert_eq!(groups[0], [&b"anew"[..], b"fifth"]);
    assert_eq!(groups[1], [b"again"]);
}
