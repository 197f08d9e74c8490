//! Pours across the exchange into buckets: a dataflow with nothing else in it.
//!
//! `bench-exchange [--keys N] [--pours N] [--workers N]` prints one JSON object. Workers are threads
//! whose messages are serialised, as between processes. Every key has a bucket before the clock runs;
//! then pours go to keys by chance, with an encoded event of ordinary size each. The time is the CPU
//! of all workers.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use overspill_benches::thread_cpu_ns;
use overspill_bucket::{
    Change, Key, Kind, NoExpressions, Order, Pour, ScenarioId, Spec, Stamp, Table, TableConfig,
};
use overspill_dataflow::batch::{PourBatch, PourDistributor, PourHead};
use serde_json::json;
use timely::container::NoopBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::DistributorPact;
use timely::dataflow::operators::generic::Operator;
use timely::dataflow::operators::{Input, Probe};
use timely::worker::Worker;
use timely::{CommunicationConfig, Config, WorkerConfig};

/// An ordinary encoded event.
const EVENT: [u8; 300] = [b'e'; 300];
/// Nanoseconds of event time between two pours of a worker.
const PACE_NS: i64 = 10_000;
/// Batches between two looks at the frontier.
const BATCHES_PER_STEP: u64 = 8;

#[derive(Clone, Copy)]
struct Asked {
    keys: u64,
    pours: u64,
    workers: usize,
}

/// What a worker used and did.
struct Done {
    cpu_ns: u64,
    /// Pours that arrived, those before the clock ran included.
    taken: u64,
}

fn main() -> Result<()> {
    let asked = asked()?;
    let config = Config {
        communication: CommunicationConfig::ProcessBinary(asked.workers),
        worker: WorkerConfig::default(),
    };
    let guards = timely::execute(config, move |worker| run(worker, asked))
        .map_err(|error| anyhow!("start the workers: {error}"))?;
    let mut cpu_ns = 0;
    let mut taken = 0;
    for done in guards.join() {
        let done = done.map_err(|error| anyhow!("a worker died: {error}"))?;
        cpu_ns += done.cpu_ns;
        taken += done.taken;
    }
    let sent = asked.keys + asked.pours;
    if taken != sent {
        bail!("{sent} pours were sent and {taken} arrived");
    }
    let record = json!({
        "keys": asked.keys, "pours": asked.pours, "workers": asked.workers, "cpu_ns": cpu_ns,
    });
    writeln!(io::stdout().lock(), "{record}").context("standard output")
}

fn asked() -> Result<Asked> {
    let mut asked = Asked {
        keys: 1_000_000,
        pours: 4_000_000,
        workers: 2,
    };
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words.next().context("every flag takes a value")?;
        let number: u64 = value.parse().with_context(|| flag.clone())?;
        match flag.as_str() {
            "--keys" => asked.keys = number.max(1),
            "--pours" => asked.pours = number,
            "--workers" => asked.workers = usize::try_from(number)?.clamp(1, 64),
            _ => bail!("{flag} is no flag"),
        }
    }
    Ok(asked)
}

/// Spreads numbers as a keyed hash would (the finaliser of splitmix64).
fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Leaky, capacity 5, alive for hours: every sixth pour of a key overflows.
fn table() -> Table {
    let spec = Spec {
        capacity: 5,
        leak_ns: 3_600_000_000_000,
        ..Spec::new(Kind::Leaky)
    };
    Table::new(&Arc::from([spec]), TableConfig::replay(0))
}

fn run(worker: &mut Worker, asked: Asked) -> Done {
    let (index, peers) = (worker.index() as u64, worker.peers() as u64);
    let mut input = InputHandle::<u64, NoopBuilder<PourBatch>>::new_with_builder();
    let taken = std::rc::Rc::new(std::cell::Cell::new(0));
    let counted = std::rc::Rc::clone(&taken);
    let probe = worker.dataflow::<u64, _, _>(|scope| {
        let mut table = table();
        let mut changes: Vec<Change> = Vec::new();
        scope
            .input_from(&mut input)
            .unary_frontier::<NoopBuilder<PourBatch>, _, _, _>(
                DistributorPact(PourDistributor::new),
                "Buckets",
                move |_capability, _info| {
                    move |(input, frontier), _output| {
                        input.for_each(|_capability, batch: &mut PourBatch| {
                            counted.set(counted.get() + batch.len() as u64);
                            take(&mut table, batch, &mut changes);
                        });
                        let upto = frontier.frontier().first().copied().unwrap_or(u64::MAX);
                        let upto_ns = i64::try_from(upto).unwrap_or(i64::MAX);
                        table.advance(upto_ns, &mut NoExpressions, &mut changes);
                        changes.clear();
                    }
                },
            )
            .probe()
            .0
    });
    let mut source = Source {
        index,
        peers,
        offset: 0,
        batch: PourBatch::default(),
    };
    let mut step = |n_pours: u64, key: &dyn Fn(u64) -> u64| {
        for number in 0..n_pours {
            source.push(key(number));
            if source.batch.is_full() || number + 1 == n_pours {
                input.send_batch(&mut source.batch);
                source.batch.clear();
                if source.offset.div_ceil(512).is_multiple_of(BATCHES_PER_STEP) {
                    input.advance_to(source.time());
                    worker.step();
                }
            }
        }
        input.advance_to(source.time());
        while probe.less_than(input.time()) {
            worker.step();
        }
    };
    let part = |whole: u64| whole / peers + u64::from(index < whole % peers);
    step(part(asked.keys), &|number| number * peers + index);
    let started = thread_cpu_ns();
    step(part(asked.pours), &|number| {
        mixed(number * peers + index) % asked.keys
    });
    let cpu_ns = thread_cpu_ns() - started;
    Done {
        cpu_ns,
        taken: taken.get(),
    }
}

/// Makes pours in the order of time.
struct Source {
    index: u64,
    peers: u64,
    offset: u64,
    batch: PourBatch,
}

impl Source {
    fn push(&mut self, key: u64) {
        self.offset += 1;
        let ns = i64::try_from(self.offset).unwrap_or(i64::MAX) * PACE_NS;
        let (start, len) = self.batch.add_payload(&EVENT);
        self.batch.push(PourHead {
            key: [mixed(key + 1), mixed(key ^ 0x9e37_79b9_7f4a_7c15)],
            eff_ns: ns,
            time_ns: ns,
            offset: self.offset * self.peers + self.index,
            start,
            len,
            ..PourHead::default()
        });
    }

    fn time(&self) -> u64 {
        self.offset * PACE_NS.unsigned_abs()
    }
}

fn take(table: &mut Table, batch: &PourBatch, changes: &mut Vec<Change>) {
    for head in batch.heads() {
        let pour = Pour {
            key: Key(head.key),
            order: Order {
                eff_ns: head.eff_ns,
                partition: head.partition,
                offset: head.offset,
                seq: head.seq,
            },
            scenario: ScenarioId(head.scenario),
            time: Some(Stamp {
                ns: head.time_ns,
                zone_secs: 0,
            }),
            distinct: None,
            cancel: false,
        };
        let payload = batch.payload(head);
        table.pour(pour, payload, &mut NoExpressions, changes);
    }
    changes.clear();
}
