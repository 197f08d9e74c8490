//! The container of pours: over the wire and back, whatever the bytes, and to the right worker.

use overspill_bucket::{Key, owner};
use overspill_dataflow::batch::{BATCH_RECORDS, PourBatch, PourDistributor, PourHead};
use overspill_dataflow::outgoing::Outgoing;
use proptest::collection::vec;
use proptest::prelude::*;
use timely::Accountable;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::progress::Stamp;
use timely_bytes::arc::{Bytes, BytesMut};

fn bytes(content: Vec<u8>) -> Bytes {
    BytesMut::from(content).freeze()
}

fn written(batch: &PourBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    batch.into_bytes(&mut bytes);
    bytes
}

/// Every field but the place of the payload, which the batch gives.
fn head() -> impl Strategy<Value = PourHead> {
    let times = (any::<i64>(), any::<i64>(), any::<i32>());
    let numbers = (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>());
    (
        any::<[u64; 2]>(),
        any::<[u64; 2]>(),
        times,
        numbers,
        0u32..8,
    )
        .prop_map(|(key, distinct, times, numbers, flags)| PourHead {
            key,
            distinct,
            eff_ns: times.0,
            time_ns: times.1,
            offset: numbers.0,
            partition: numbers.1,
            seq: numbers.2,
            scenario: numbers.3,
            zone_secs: times.2,
            start: 0,
            len: 0,
            flags,
            reserved: 0,
        })
}

/// Events with their payloads, each with some pours that share it.
fn events() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<PourHead>)>> {
    vec((vec(any::<u8>(), 0..40), vec(head(), 1..5)), 0..40)
}

fn batch(events: &[(Vec<u8>, Vec<PourHead>)]) -> PourBatch {
    let mut batch = PourBatch::default();
    for (payload, heads) in events {
        let (start, len) = batch.add_payload(payload);
        for head in heads {
            batch.push(PourHead {
                start,
                len,
                ..*head
            });
        }
    }
    batch
}

/// Records with their payloads.
fn records(batch: &PourBatch) -> Vec<(PourHead, Vec<u8>)> {
    let placeless = |head: &PourHead| PourHead {
        start: 0,
        len: 0,
        ..*head
    };
    batch
        .heads()
        .iter()
        .map(|head| (placeless(head), batch.payload(head).to_vec()))
        .collect()
}

/// What one worker is sent.
#[derive(Default)]
struct Sent(Vec<PourBatch>);

impl Push<Message<u64, PourBatch>> for Sent {
    fn push(&mut self, element: &mut Option<Message<u64, PourBatch>>) {
        self.0.extend(element.take().map(|message| message.data));
    }
}

fn distribute(batches: &mut [PourBatch], workers: usize) -> Vec<Sent> {
    let mut sent: Vec<Sent> = (0..workers).map(|_| Sent::default()).collect();
    let mut distributor = PourDistributor::new(workers);
    let stamp = Stamp::from_elem(7);
    for batch in batches {
        distributor.partition(batch, &stamp, &mut sent);
    }
    distributor.flush(&stamp, &mut sent);
    sent
}

proptest! {
    #[test]
    fn a_batch_comes_over_the_wire_as_it_was(events in events()) {
        let sent = batch(&events);
        let wire = written(&sent);
        prop_assert_eq!(wire.len(), sent.length_in_bytes());
        prop_assert_eq!(wire.len() % 8, 0);
        let mut received = PourBatch::from_bytes(bytes(wire.clone()));
        prop_assert_eq!(received.heads(), sent.heads());
        prop_assert_eq!(records(&received), records(&sent));
        prop_assert_eq!(received.record_count(), sent.record_count());
        prop_assert_eq!(written(&received), wire);
        // A received batch may be extended and emptied like one of our own.
        let before = records(&received);
        let (start, len) = received.add_payload(b"more");
        received.push(PourHead { start, len, ..PourHead::default() });
        prop_assert_eq!(&records(&received)[..before.len()], &before[..]);
        prop_assert_eq!(&records(&received)[before.len()].1[..], &b"more"[..]);
        received.clear();
        prop_assert!(received.is_empty());
        prop_assert_eq!(written(&received).len(), 16);
    }

    #[test]
    fn hostile_bytes_give_a_batch_and_no_panic(
        content in vec(any::<u8>(), 0..400),
        n_heads in prop_oneof![0u64..6, any::<u64>()],
        heap_len in prop_oneof![0u64..300, any::<u64>()],
        has_counts in any::<bool>(),
    ) {
        let mut wire = content;
        if has_counts {
            wire.splice(0..0, n_heads.to_le_bytes().into_iter().chain(heap_len.to_le_bytes()));
        }
        let mut received = PourBatch::from_bytes(bytes(wire));
        let records = records(&received);
        prop_assert!(records.iter().all(|(_, payload)| payload.len() < 400));
        prop_assert_eq!(written(&received).len(), received.length_in_bytes());
        distribute(&mut [received.clone()], 3);
        received.add_payload(b"more");
        received.clear();
    }

    #[test]
    fn a_batch_that_was_cut_off_gives_no_panic(events in events(), cut in any::<prop::sample::Index>()) {
        let mut wire = written(&batch(&events));
        wire.truncate(cut.index(wire.len()));
        let received = PourBatch::from_bytes(bytes(wire));
        prop_assert!(received.len() <= batch(&events).len());
        records(&received);
    }

    #[test]
    fn every_pour_reaches_the_owner_of_its_key_once_and_in_order(
        events in events(),
        more in events(),
        workers in 1usize..6,
    ) {
        let mut batches = [batch(&events), batch(&more)];
        let given: Vec<_> = batches.iter().flat_map(records).collect();
        let sent = distribute(&mut batches, workers);
        for (worker, sent) in sent.iter().enumerate() {
            let arrived: Vec<_> = sent.0.iter().flat_map(records).collect();
            let due: Vec<_> = given
                .iter()
                .filter(|(head, _)| owner(Key(head.key), workers) == worker)
                .cloned()
                .collect();
            prop_assert_eq!(arrived, due);
        }
    }
}

proptest! {
    #[test]
    fn pours_sorted_when_they_are_made_arrive_as_those_sorted_on_the_way(
        events in events(),
        more in events(),
        workers in 1usize..6,
    ) {
        let mut outgoing = Outgoing::new(workers);
        let mut sorted = Vec::new();
        for events in [&events, &more] {
            for (payload, heads) in events {
                outgoing.begin_event();
                for head in heads {
                    let worker = outgoing.push(head, payload);
                    prop_assert_eq!(worker, owner(Key(head.key), workers));
                }
            }
            sorted.extend(outgoing.take());
        }
        prop_assert!(sorted.iter().all(|batch| !batch.is_empty()));
        let n_batches = sorted.len();
        let whole = distribute(&mut sorted, workers);
        prop_assert_eq!(whole.iter().map(|sent| sent.0.len()).sum::<usize>(), n_batches);
        let unsorted = distribute(&mut [batch(&events), batch(&more)], workers);
        for (whole, unsorted) in whole.iter().zip(&unsorted) {
            let arrived = |sent: &Sent| sent.0.iter().flat_map(records).collect::<Vec<_>>();
            prop_assert_eq!(arrived(whole), arrived(unsorted));
        }
    }
}

#[test]
fn pours_of_one_event_share_their_payload_on_the_way_too() {
    let head = |n: u64| PourHead {
        key: [n, n],
        ..PourHead::default()
    };
    let payload = vec![7; 1_000];
    let mut batches = [batch(&[(payload, (0..10).map(head).collect())])];
    let sent = distribute(&mut batches, 1);
    assert!(sent[0].0[0].length_in_bytes() < 2_000 + 10 * 88);
}

#[test]
fn full_batches_are_sent_on_before_the_flush() {
    let heads = vec![PourHead::default(); BATCH_RECORDS + 1];
    let sent = distribute(&mut [batch(&[(b"x".to_vec(), heads)])], 1);
    let lens: Vec<usize> = sent[0].0.iter().map(PourBatch::len).collect();
    assert_eq!(lens, vec![BATCH_RECORDS, 1]);
    assert_eq!(records(&sent[0].0[1])[0].1, b"x");
}
