//! What is read back from bytes: events, pours on the exchange, snapshots of buckets and stashes,
//! the decision log, alerts as JSON.
//!
//! ```text
//! which, one letter | the bytes
//! ```
//!
//! `e`vent, `p`our container, `b`uckets, `s`tashes, decision `l`og, `a`lerts. A capital letter has
//! the value made from the bytes, written and read back; then one byte of that is changed.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use overspill_bucket::{
    Bayes, BayesCondition, BucketView, Change, Judge, Key, Kind, Order, Overflow, Pour, ScenarioId,
    Spec, Stamp, Table, TableConfig,
};
use overspill_dataflow::batch::{PourBatch, PourHead};
use overspill_decision::{DecisionLog, LogLimits, wire};
use overspill_event::{Decision, Event, FieldMap, Keep, Schema, SchemaBuilder, TextField};
use overspill_fuzz::{Input, NOW, event, text};
use overspill_golike::time::append_rfc3339_nano;
use overspill_parser::{ParserPlan, ParserState, StashSet};
use overspill_scenarios::{Content, Options, compile};
use timely::dataflow::channels::ContainerBytes;
use timely_bytes::arc::BytesMut;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    match input.byte() {
        b'e' => events(input.0),
        b'E' => made_event(input),
        b'p' => pours(input.0),
        b'P' => made_pours(input),
        b'b' => buckets(input.0),
        b'B' => made_buckets(input),
        b's' => stashes(input.0),
        b'S' => made_stashes(input),
        b'l' => log(input.0),
        b'L' => made_log(input),
        _ => alerts(input.0),
    }
});

const EVERYTHING: Keep = Keep {
    slots: Vec::new(),
    tree: false,
    line: false,
    all: true,
};

static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    let mut builder = SchemaBuilder::new();
    for (map, name) in [
        (FieldMap::Parsed, "program"),
        (FieldMap::Meta, "source_ip"),
        (FieldMap::Meta, "log_type"),
        (FieldMap::Enriched, "IsoCode"),
        (FieldMap::Labels, "type"),
    ] {
        if let Err(error) = builder.intern(map, name) {
            panic!("five names are too many: {error}");
        }
    }
    builder.freeze()
});

/// The bytes with one of them changed: what a decoder believes until late.
fn damaged(mut bytes: Vec<u8>, [low, high, with]: [u8; 3]) -> Vec<u8> {
    let place = usize::from(u16::from_le_bytes([low, high])) % bytes.len().max(1);
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= with;
    }
    bytes
}

fn encoded(event: &Event) -> Vec<u8> {
    let mut bytes = Vec::new();
    event.encode(&EVERYTHING, &mut bytes);
    bytes
}

/// What was read is written in a form that reads the same.
fn events(bytes: &[u8]) {
    let Ok(event) = Event::decode(&SCHEMA, bytes) else {
        return;
    };
    let first = encoded(&event);
    match Event::decode(&SCHEMA, &first) {
        Ok(again) => assert_eq!(encoded(&again), first),
        Err(error) => assert!(event.is_truncated(), "an event's own bytes: {error}"),
    }
    let _ = (event.time.unix_ns(), event.time.default_text());
    append_rfc3339_nano(&event.time, &mut Vec::new());
}

fn made_event(mut input: Input<'_>) {
    let damage = input.array();
    let mut event = event(&SCHEMA, input.piece());
    while !input.is_empty() {
        let map = match input.byte() % 4 {
            0 => FieldMap::Parsed,
            1 => FieldMap::Meta,
            2 => FieldMap::Enriched,
            _ => FieldMap::Labels,
        };
        let name = input.piece();
        event.set_named(map, name, input.piece());
    }
    let bytes = encoded(&event);
    let again = match Event::decode(&SCHEMA, &bytes) {
        Ok(again) => again,
        Err(error) => panic!("an event's own bytes: {error}"),
    };
    for map in [
        FieldMap::Parsed,
        FieldMap::Meta,
        FieldMap::Enriched,
        FieldMap::Labels,
    ] {
        assert_eq!(again.fields(map), event.fields(map));
    }
    assert_eq!((again.raw(), again.time), (event.raw(), event.time));
    assert_eq!(
        again.text(TextField::MarshaledTime),
        event.text(TextField::MarshaledTime)
    );
    assert_eq!(again.tree(), event.tree());
    events(&damaged(bytes, damage));
}

fn from_wire(bytes: Vec<u8>) -> PourBatch {
    PourBatch::from_bytes(BytesMut::from(bytes).freeze())
}

fn to_wire(batch: &PourBatch) -> Vec<u8> {
    let mut bytes = Vec::new();
    batch.into_bytes(&mut bytes);
    assert_eq!(bytes.len(), batch.length_in_bytes());
    assert_eq!(bytes.len() % 8, 0);
    bytes
}

fn pours(bytes: &[u8]) {
    let batch = from_wire(bytes.to_vec());
    for head in batch.heads() {
        assert!(batch.payload(head).len() <= bytes.len());
    }
    same_batch(&from_wire(to_wire(&batch)), &batch);
    // What is received may be added to.
    let mut own = batch.clone();
    let (start, len) = own.add_payload(b"more");
    let head = PourHead {
        start,
        len,
        ..PourHead::default()
    };
    own.push(head);
    assert_eq!(own.payload(&head), b"more");
    own.clear();
    assert!(own.is_empty());
}

fn same_batch(one: &PourBatch, other: &PourBatch) {
    assert_eq!(one.heads(), other.heads());
    for head in one.heads() {
        assert_eq!(one.payload(head), other.payload(head));
    }
}

fn made_pours(mut input: Input<'_>) {
    let damage = input.array();
    let mut batch = PourBatch::default();
    let mut payloads = Vec::new();
    while !input.is_empty() {
        let payload = input.piece();
        let (start, len) = batch.add_payload(payload);
        payloads.push(payload);
        batch.push(PourHead {
            key: [input.long().cast_unsigned(), input.long().cast_unsigned()],
            eff_ns: input.long(),
            time_ns: input.long(),
            flags: u32::from(input.byte()),
            start,
            len,
            ..PourHead::default()
        });
    }
    let again = from_wire(to_wire(&batch));
    same_batch(&again, &batch);
    let read = again.heads().iter().map(|head| again.payload(head));
    assert!(read.eq(payloads), "payloads changed places");
    pours(&damaged(to_wire(&batch), damage));
}

const SECOND: i64 = 1_000_000_000;

static SPECS: LazyLock<Arc<[Spec]>> = LazyLock::new(|| {
    let of = |kind, capacity, fingerprint| Spec {
        capacity,
        leak_ns: 10 * SECOND,
        fingerprint,
        ..Spec::new(kind)
    };
    let bayes = Bayes {
        prior: 0.5,
        threshold: 0.8,
        conditions: vec![
            BayesCondition {
                evil: 0.8,
                benign: 0.2,
                guillotine: true
            };
            2
        ],
    };
    Arc::from([
        Spec {
            blackhole_ns: Some(60 * SECOND),
            distinct: true,
            ..of(Kind::Leaky, 3, 1)
        },
        Spec {
            cancel_on: true,
            ..of(Kind::Trigger, 0, 2)
        },
        Spec {
            duration_ns: 30 * SECOND,
            cache_size: 2,
            ..of(Kind::Counter, -1, 3)
        },
        Spec {
            condition: true,
            ..of(Kind::Conditional, -1, 4)
        },
        Spec {
            bayes: Some(bayes),
            overflow_filter: true,
            ..of(Kind::Bayesian, -1, 5)
        },
        Spec {
            capacity: i64::MAX,
            leak_ns: i64::MAX,
            ..of(Kind::Leaky, 0, 6)
        },
    ])
});

/// Answers by the length of what it is shown.
struct Lengths;

impl Judge for Lengths {
    fn condition(&mut self, event: &[u8], bucket: &BucketView<'_>) -> bool {
        event.len() + bucket.queue().len() > 4
    }

    fn bayesian(&mut self, index: usize, event: &[u8], _bucket: &BucketView<'_>) -> Option<bool> {
        (event.len() != 2).then(|| (event.len() + index) % 2 == 1)
    }

    fn overflow_filter(&mut self, overflow: &Overflow) -> bool {
        overflow.queue.len() != 3
    }
}

fn table() -> Table {
    Table::new(&SPECS, TableConfig::live(5 * SECOND))
}

/// Bytes cut where changes begin.
fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let begins = bytes.windows(3).enumerate().skip(1);
    let begins = begins.filter(|(_, window)| window == b"OSC").map(|(at, _)| at);
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in begins.chain([bytes.len()]) {
        pieces.push(&bytes[from..to]);
        from = to;
    }
    pieces
}

/// What a table took it gives again, and goes on from it.
fn buckets(bytes: &[u8]) {
    let mut table = table();
    let Ok(group) = table.restore(&pieces(bytes)) else {
        assert_eq!(
            table.watermark_ns(),
            None,
            "a refused snapshot left something"
        );
        return;
    };
    let Some(first) = table.snapshot(group) else {
        panic!("a restored table has a watermark");
    };
    let mut other = self::table();
    assert_eq!(other.restore(&[&first]), Ok(group));
    assert_eq!(other.snapshot(group), Some(first));
    let mut changes = Vec::new();
    table.finish(i64::MAX, &mut Lengths, &mut changes);
}

fn pour(input: &mut Input<'_>, offset: u64, now_ns: i64) -> (Pour, Vec<u8>) {
    let [key, scenario, flags, len] = input.array();
    let stamp = Stamp {
        ns: now_ns,
        zone_secs: 3_600,
    };
    let pour = Pour {
        key: Key([u64::from(key % 3) << 32, u64::from(key)]),
        order: Order {
            eff_ns: now_ns,
            partition: 0,
            offset,
            seq: 0,
        },
        scenario: ScenarioId(u32::from(scenario % 7)),
        time: match flags & 3 {
            0 => None,
            1 => Some(Stamp {
                ns: input.long(),
                ..stamp
            }),
            _ => Some(stamp),
        },
        distinct: (flags & 4 != 0).then(|| [u64::from(flags >> 5), 0]),
        cancel: flags & 8 != 0,
    };
    (pour, vec![flags; usize::from(len % 8)])
}

/// A snapshot taken anywhere and read back leaves no trace in what comes after.
fn made_buckets(mut input: Input<'_>) {
    let damage = input.array();
    let (mut table, mut after) = (table(), Vec::new());
    let cut = u64::from(input.byte() % 32);
    let mut now_ns = i64::from(input.byte()) * SECOND;
    let mut restored: Option<Table> = None;
    let mut restored_after: Vec<Change> = Vec::new();
    // All keys are of the first group.
    let mut written: Vec<Vec<u8>> = Vec::new();
    for offset in 1..64 {
        if input.is_empty() {
            break;
        }
        now_ns = now_ns.saturating_add(1 + i64::from(input.byte()) * SECOND / 8);
        let (pour, bytes) = pour(&mut input, offset, now_ns);
        if offset <= cut && (cut - offset) % 4 == 0 {
            // Nothing that was poured is above the watermark, and this pour is.
            table.advance(now_ns - 1, &mut Lengths, &mut after);
            if let Some(piece) = table.write_group(0, &mut Vec::new()) {
                if piece.is_whole {
                    written.clear();
                }
                written.push(piece.bytes);
            }
        }
        if offset == cut {
            after.clear();
            restored = Some(moved(&table, &written, damage));
        }
        table.pour(pour, &bytes, &mut Lengths, &mut after);
        if let Some(other) = &mut restored {
            other.pour(pour, &bytes, &mut Lengths, &mut restored_after);
        }
    }
    table.finish(now_ns, &mut Lengths, &mut after);
    if let Some(mut other) = restored {
        other.finish(now_ns, &mut Lengths, &mut restored_after);
        assert_eq!(net(&restored_after), net(&after));
    }
}

/// Identities of the overflows that hold in the end.
fn net(changes: &[Change]) -> Vec<u128> {
    let mut sums = std::collections::BTreeMap::new();
    for change in changes {
        *sums.entry(change.overflow.identity).or_insert(0) += change.diff;
    }
    sums.retain(|_, sum| *sum != 0);
    assert!(sums.values().all(|sum| *sum == 1), "{sums:?}");
    sums.into_keys().collect()
}

fn moved(table: &Table, written: &[Vec<u8>], damage: [u8; 3]) -> Table {
    let mut other = self::table();
    let Some(watermark_ns) = table.watermark_ns() else {
        panic!("the table has a watermark");
    };
    other.stand_at(watermark_ns);
    if !written.is_empty() {
        assert_eq!(other.restore(written), Ok(0));
    }
    assert_eq!(other.snapshot(0), table.snapshot(0));
    buckets(&damaged(written.concat(), damage));
    other
}

static STASHES: LazyLock<ParserPlan> = LazyLock::new(|| {
    let mut content = Content::default();
    let node = "\
name: a/b
filter: 'true'
statics:
  - {meta: seen, value: 'yes'}
stash:
  - {name: users, key: evt.Meta.a, value: evt.Meta.b, ttl: 30s, size: 3, strategy: LRU}
  - {name: hosts, key: evt.Meta.a, value: evt.Meta.b, ttl: 1h, size: 2, strategy: LFU}
";
    content.add_parser_text("s00-raw", "a.yaml", node);
    let options = Options {
        strict: true,
        ..Options::default()
    };
    match compile(&content, &options) {
        Ok(compiled) => compiled.parsers,
        Err(error) => panic!("a node with two stashes: {error:?}"),
    }
});

fn stashes(bytes: &[u8]) {
    let Ok(set) = StashSet::decode(&STASHES, bytes) else {
        return;
    };
    let mut first = Vec::new();
    set.encode(&mut first);
    let again = match StashSet::decode(&STASHES, &first) {
        Ok(again) => again,
        Err(error) => panic!("the stashes' own bytes: {error}"),
    };
    let mut second = Vec::new();
    again.encode(&mut second);
    assert_eq!(second, first);
}

fn made_stashes(mut input: Input<'_>) {
    let damage = input.array();
    let mut state = ParserState::new(&STASHES, NOW);
    let schema = &SCHEMA;
    let services = overspill_expr::Services::none();
    while !input.is_empty() {
        let mut event = Event::new(Arc::clone(schema));
        event.set_named(FieldMap::Meta, b"a", input.piece());
        event.set_named(FieldMap::Meta, b"b", input.piece());
        let _ = overspill_parser::parse(&STASHES, &mut event, &mut state, &services, &mut ());
    }
    let mut bytes = Vec::new();
    state.stash.encode(&mut bytes);
    stashes(&bytes);
    stashes(&damaged(bytes, damage));
    _ = state.stash_mut().get(b"users", b"", NOW);
}

const LIMITS: LogLimits = LogLimits {
    active_max: 8,
    entries_max: 8,
    alerts_max: 8,
};

fn log(bytes: &[u8]) {
    let Ok(mut log) = DecisionLog::decode(bytes, LIMITS) else {
        return;
    };
    let mut first = Vec::new();
    log.encode(&mut first);
    match DecisionLog::decode(&first, LIMITS) {
        Ok(again) => {
            let mut second = Vec::new();
            again.encode(&mut second);
            assert_eq!(second, first);
        }
        Err(error) => panic!("the log's own bytes: {error}"),
    }
    log.advance(i64::MAX);
    assert_eq!(log.active_len(), 0);
}

fn made_log(mut input: Input<'_>) {
    let damage = input.array();
    let mut log = DecisionLog::new(LIMITS, 1);
    while !input.is_empty() {
        let [what, alert, value, hours] = input.array();
        let uuid = format!("alert-{}", alert % 16);
        match what % 4 {
            0 => _ = log.retract(&uuid),
            1 => _ = log.advance(i64::from(value) * 600 * SECOND),
            _ => {
                let of = |value: u8| Decision {
                    kind: "ban".to_owned(),
                    scope: "Ip".to_owned(),
                    value: format!("192.0.2.{}", value % 8),
                    until_ns: i64::from(hours) * 3_600 * SECOND,
                    ..Decision::default()
                };
                log.apply(&uuid, &[of(value), of(value >> 4)]);
            }
        }
        assert!(log.active_len() <= LIMITS.active_max);
    }
    let mut bytes = Vec::new();
    log.encode(&mut bytes);
    match DecisionLog::decode(&bytes, LIMITS) {
        Ok(again) => assert!(
            again.active().eq(log.active()),
            "other decisions are active"
        ),
        Err(error) => panic!("the log's own bytes: {error}"),
    }
    self::log(&bytes);
    self::log(&damaged(bytes, damage));
}

/// Alerts that were read are written so that they read the same.
fn alerts(bytes: &[u8]) {
    let Ok(alerts) = wire::read_alerts(text(bytes).as_bytes()) else {
        return;
    };
    let mut out = Vec::new();
    wire::append_alerts(&alerts, &mut out);
    match wire::read_alerts(&out) {
        Ok(again) => assert_eq!(again, alerts),
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&out)),
    }
}
