//! Conditions that depend on the last events of a queue give the same on those alone.

use std::sync::Arc;

use overspill_event::{Event, FieldMap, Schema, SchemaBuilder};
use overspill_expr::{Compiler, Context, Env, NoStash, Program, QueueObject, Value};
use overspill_golike::time::Time;
use proptest::prelude::*;

use crate::fixture::services;

const FILTER: &str = "let x = filter(queue.Queue, {#.Meta.kind == 'a'}); ";

fn compile(text: &str) -> (Program, Arc<Schema>) {
    let mut schema = SchemaBuilder::new();
    let program = Compiler::new(&mut schema)
        .compile(text, &Env::condition())
        .unwrap();
    (program, schema.freeze())
}

#[test]
fn a_tail_is_found_where_nothing_else_of_the_queue_is_read() {
    let limit = |body: &str| {
        let (program, _) = compile(&format!("{FILTER}{body}"));
        program.tail().map(overspill_expr::Tail::limit)
    };
    let median = "MedianInterval(map(x[-4:], {#.Time})) > duration('10m')";
    assert_eq!(limit(&format!("len(x) >= 4 && {median}")), Some(4));
    assert_eq!(limit(&format!("len(x) > 4 && {median}")), Some(5));
    assert_eq!(limit("len(x) == 2"), Some(3));
    assert_eq!(limit("len(x) < 3 || len(x[-7:]) > 1"), Some(7));
    assert_eq!(limit("len(x) >= 1000"), None);
    assert_eq!(limit("len(x) >= int(evt.Meta.n)"), None);
    assert_eq!(limit("x[0].Meta.kind == 'a'"), None);
    assert_eq!(limit("len(x[2:]) > 1"), None);
    assert_eq!(limit("len(x) >= 2 && len(queue.Queue) > 3"), None);
    assert_eq!(limit("len(x) >= 2 && leaky.Total_count > 3"), Some(2));
    let (program, _) = compile("len(filter(queue.Queue, {#.Meta.kind == 'a'})) >= 2");
    assert!(program.tail().is_none());
    let (program, _) = compile("let x = filter(queue.Queue, {int(#.Meta.n) > 1}); len(x) >= 2");
    assert!(program.tail().is_none(), "a filter that can fail");
}

#[test]
fn what_the_hub_asks_is_decided_without_an_evaluation() {
    let decides = |body: &str| {
        let (program, schema) = compile(&format!("{FILTER}{body}"));
        let tail = program.tail().unwrap();
        let event = Arc::new(Event::new(schema));
        (0..4)
            .map(|n| tail.decide(&vec![Arc::clone(&event); n]))
            .collect::<Vec<_>>()
    };
    let no = Some(false);
    let median = "MedianInterval(map(x[-3:], {#.Time})) > duration('10m')";
    let average = "AverageInterval(map(x[-2:], {#.Time})) <= duration('10m')";
    let decided = decides(&format!("len(x) >= 3 && {median}"));
    assert_eq!(decided, [no, no, no, no]);
    let decided = decides(&format!("len(x) > 1 && {average}"));
    assert_eq!(decided, [no, no, Some(true), Some(true)]);
    let decided = decides(&format!("len(x) >= 1 && {median}"));
    assert_eq!(decided, [no, None, None, None], "one time is an error");
    let decided = decides("len(x) >= 2 && evt.Meta.kind == 'a'");
    assert_eq!(decided, [no, no, None, None]);
    assert_eq!(decides("len(x) < 3"), [None; 4]);
}

#[test]
fn a_condition_on_the_queue_alone_does_not_read_the_event() {
    let reads = |body: &str| compile(&format!("{FILTER}{body}")).0.reads().event;
    assert!(!reads(
        "len(x) >= 4 && MedianInterval(map(x[-4:], {#.Time})) > duration('10m')"
    ));
    assert!(reads("len(x) >= 4 && evt.Meta.kind == 'a'"));
    assert!(reads("len(x) >= 4 && 'kind' in evt.Meta"));
    assert!(reads("len(x) >= 4 && evt.Unmarshaled.a.b == 'x'"));
    assert!(reads("len(x) >= 4 && evt.GetType() == 'log'"));
}

fn eval(program: &Program, schema: &Arc<Schema>, events: Vec<Arc<Event>>) -> Option<bool> {
    let services = services();
    let queue = Value::object(QueueObject::new(events.into(), 9));
    let mut event = Event::new(Arc::clone(schema));
    let mut cx = Context {
        evt: Some(&mut event),
        vars: &[queue, Value::Nil],
        stash: &mut NoStash,
        services: &services,
        now: Time::ZERO,
    };
    program.eval_bool(&mut cx).ok()
}

proptest! {
    #[test]
    fn the_tail_decides_as_the_whole_queue_does(
        kinds in prop::collection::vec((0..3u8, 0..1_200i64), 0..30),
        which in 0..7usize,
        test in prop::sample::select(vec![
            "#.Meta.kind == 'a'",
            "#.Meta.kind != 'a'",
            "#.Meta.kind in ['a', 'b'] && not (#.Meta.kind == 'b')",
            "#.Meta.kind startsWith 'a' or #.Meta.kind == ''",
        ]),
    ) {
        let bodies = [
            "len(x) >= 4 && MedianInterval(map(x[-4:], {#.Time})) > duration('10m')",
            "len(x) == 2",
            "len(x) <= 3",
            "len(x) > 1 && x[-2:][0].Meta.kind == 'a'",
            "len(x[-3:]) >= 3 ? len(x) < 6 : len(x) != 1",
            "len(x) > 1 && AverageInterval(map(x[-5:], {#.Time})) <= duration('8m')",
            "len(x) >= 2 && MedianInterval(map(x[-3:], {#.Time})) < duration('10m')",
        ];
        let text = format!("let x = filter(queue.Queue, {{{test}}}); {}", bodies[which]);
        let (program, schema) = compile(&text);
        let mut secs = 0;
        let events: Vec<Arc<Event>> = kinds
            .iter()
            .map(|(kind, gap)| {
                secs += gap;
                let mut event = Event::new(Arc::clone(&schema));
                let kind: &[u8] = [&b"a"[..], b"b", b""][usize::from(*kind)];
                event.set_named(FieldMap::Meta, b"kind", kind);
                event.time = Time::from_unix_ns(secs * 1_000_000_000);
                Arc::new(event)
            })
            .collect();
        let Some(tail) = program.tail() else {
            // A slice of a slice is not of the form.
            prop_assert!(which == 3);
            return Ok(());
        };
        let services = services();
        let counts = |event: &&Arc<Event>| tail.counts(event, &services);
        let mut last: Vec<Arc<Event>> = events
            .iter()
            .rev()
            .filter(counts)
            .take(tail.limit())
            .map(Arc::clone)
            .collect();
        last.reverse();
        let decided = tail.decide(&last);
        let expected = eval(&program, &schema, events);
        if matches!(which, 0 | 5 | 6) {
            prop_assert!(decided.is_some());
        }
        if decided.is_some() {
            prop_assert_eq!(decided, expected);
        }
        prop_assert_eq!(eval(&program, &schema, last), expected);
    }
}
