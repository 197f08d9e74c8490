//! What crosses the exchange: events as bytes, and batches of pours.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use divan::{Bencher, black_box, counter::ItemsCount};
use overspill_benches::{Engine, Runner, nginx_lines};
use overspill_dataflow::batch::{BATCH_RECORDS, PourBatch, PourHead};
use overspill_event::{Event, Keep};
use timely::dataflow::channels::ContainerBytes;
use timely_bytes::arc::BytesMut;

fn main() {
    divan::main();
}

/// A parsed nginx line.
fn parsed() -> Runner {
    let mut runner = Runner::new("nginx", Engine::Fast).unwrap();
    let lines = nginx_lines();
    assert!(lines.iter().any(|line| runner.parse(line.as_bytes())));
    runner
}

#[divan::bench(sample_size = 1_000)]
fn event_encode(bencher: Bencher<'_, '_>) {
    let runner = parsed();
    let keep = Keep::default();
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        runner.encode(black_box(&keep), &mut out);
        out.len()
    });
}

#[divan::bench(sample_size = 1_000)]
fn event_decode(bencher: Bencher<'_, '_>) {
    let runner = parsed();
    let mut bytes = Vec::new();
    runner.encode(&Keep::default(), &mut bytes);
    let schema = runner.event().schema();
    bencher.bench_local(|| Event::decode(schema, black_box(&bytes)).unwrap());
}

/// A batch as it is sent: each event with the number of pours.
fn batch(pours_per_event: usize) -> PourBatch {
    let runner = parsed();
    let mut payload = Vec::new();
    runner.encode(&Keep::default(), &mut payload);
    let mut batch = PourBatch::default();
    let mut place = (0, 0);
    for number in 0..BATCH_RECORDS {
        if number % pours_per_event == 0 {
            place = batch.add_payload(&payload);
        }
        batch.push(PourHead {
            key: [number as u64, 1],
            start: place.0,
            len: place.1,
            ..PourHead::default()
        });
    }
    batch
}

const POURS_PER_EVENT: [usize; 2] = [1, 4];

fn wire(batch: &PourBatch, out: &mut Vec<u8>) {
    out.clear();
    batch.into_bytes(out);
}

#[divan::bench(args = POURS_PER_EVENT, sample_size = 20)]
fn batch_serialise(bencher: Bencher<'_, '_>, pours_per_event: usize) {
    let batch = batch(pours_per_event);
    let mut out = Vec::new();
    bencher
        .counter(ItemsCount::new(batch.len()))
        .bench_local(|| wire(black_box(&batch), &mut out));
}

#[divan::bench(args = POURS_PER_EVENT, sample_size = 20)]
fn batch_deserialise(bencher: Bencher<'_, '_>, pours_per_event: usize) {
    let batch = batch(pours_per_event);
    let mut bytes = Vec::new();
    wire(&batch, &mut bytes);
    let bytes = BytesMut::from(bytes).freeze();
    bencher
        .counter(ItemsCount::new(batch.len()))
        .bench_local(|| {
            let batch = PourBatch::from_bytes(black_box(bytes.clone()));
            let payloads = batch.heads().iter().map(|head| batch.payload(head).len());
            payloads.sum::<usize>()
        });
}
