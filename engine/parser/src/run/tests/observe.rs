//! Observers: who is reported, in which order, and that it changes nothing.

use overspill_event::Event;

use crate::testing::{Bench, node};
use crate::{Node, Observer, Step};

#[derive(Default)]
struct Record {
    nodes: Vec<String>,
    steps: Vec<String>,
}

impl Observer for Record {
    fn node(&mut self, stage: &str, node: &Node, event: &Event, success: bool) {
        let a = String::from_utf8_lossy(event.get_meta(b"a")).into_owned();
        self.nodes
            .push(format!("{stage}/{} {success} a={a}", node.name));
    }

    fn step(&mut self, depth: usize, node: &Node, _event: &Event, step: &Step<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let step = match step {
            Step::Entered => "entered".to_owned(),
            Step::FilteredOut(why) => format!("out: {}", why.as_deref().unwrap_or("?")),
            Step::FilterFailed(error) => format!("filter failed: {error}"),
            Step::Whitelisted { reason } => format!("whitelisted: {reason}"),
            Step::Grok { subject, matched } => {
                format!(
                    "grok {}: {matched}",
                    subject.map_or("nothing".to_owned(), text)
                )
            }
            Step::Stashed { cache, key, value } => {
                format!("stashed {cache} {}={}", text(key), text(value))
            }
            Step::Static { value, .. } => format!("static {}", text(value)),
            Step::StaticSkipped { error, .. } => format!("skipped, error: {}", error.is_some()),
            Step::MovedTo { stage } => format!("to {stage}"),
            Step::Left { success } => format!("left {success}"),
        };
        self.steps
            .push(format!("{}{} {step}", "  ".repeat(depth), node.name));
    }
}

fn bench() -> Bench {
    Bench::new(&[
        (
            "s00",
            vec![
                node("no").filter("evt.Parsed.program == 'other'"),
                node("a")
                    .grok("^%{WORD:w}", "Raw")
                    .grok_set("meta.a", "=1")
                    .stash("c", "'k'", "evt.Parsed.w", 60, 10)
                    .child(node("child").grok("%{INT:n}", "parsed.missing"))
                    .set("meta.none", "evt.Parsed.missing")
                    .next(),
                node("not reached"),
            ],
        ),
        (
            "s01",
            vec![
                node("w").reason("friend").allow("true"),
                node("bad").filter("evt.Unmarshaled.no.such == 1"),
            ],
        ),
    ])
}

#[test]
fn every_top_level_node_that_runs_is_reported_filtered_ones_too() {
    let mut record = Record::default();
    let mut bench = bench();
    bench.begin("word");
    let outcome = bench.observed(&mut record);
    assert_eq!(
        bench.tell(&outcome),
        "processed whitelisted(friend) a=1 p.w=word"
    );
    assert_eq!(
        record.nodes,
        [
            "s00/no false a=",
            "s00/a true a=1",
            "s01/w true a=1",
            "s01/bad false a=1"
        ]
    );
}

#[test]
fn steps_come_in_the_order_of_evaluation_with_their_depth() {
    let mut record = Record::default();
    let mut bench = bench();
    bench.begin("word");
    let _processed = bench.observed(&mut record);
    let steps: Vec<&str> = record.steps.iter().map(String::as_str).collect();
    assert_eq!(steps[0], "no entered");
    assert!(steps[1].starts_with("no out: "), "{}", steps[1]);
    assert!(steps[1].contains("evt.Parsed.program"), "{}", steps[1]);
    assert_eq!(
        steps[2..],
        [
            "a entered",
            "a grok word: true",
            "a static 1",
            "a stashed c k=word",
            "  child entered",
            "  child grok nothing: false",
            "  child left false",
            "a skipped, error: false",
            "a to s01",
            "a left true",
            "w entered",
            "w whitelisted: friend",
            "w left true",
            "bad entered",
            steps[16],
        ]
    );
    assert!(
        steps[16].starts_with("bad filter failed: "),
        "{}",
        steps[16]
    );
}

#[test]
fn observing_changes_no_result_not_even_of_filters_that_write() {
    let writes = "evt.SetMeta('n', evt.GetMeta('n') + 'x') && evt.Line.Raw == 'y'";
    let stages = [(
        "s00",
        vec![node("a").filter(writes), node("b").set("meta.b", "=1")],
    )];
    let mut quiet = Bench::new(&stages);
    let mut observed = Bench::new(&stages);
    observed.begin("line");
    let outcome = observed.observed(&mut Record::default());
    assert_eq!(observed.tell(&outcome), "processed b=1 n=x");
    assert_eq!(quiet.line("line"), "processed b=1 n=x");
}

#[test]
fn a_node_that_loses_its_event_is_not_reported() {
    let mut record = Record::default();
    let mut bench = Bench::new(&[("s00", vec![node("a"), node("b").set("meta.x", "1 == 1")])]);
    bench.begin("x");
    let outcome = bench.observed(&mut record);
    assert_eq!(bench.tell(&outcome), "dropped");
    assert_eq!(record.nodes, ["s00/a true a="]);
}

#[test]
fn an_observer_behind_a_reference_to_a_trait_object_works() {
    let mut record = Record::default();
    let mut dynamic: &mut dyn Observer = &mut record;
    let mut bench = bench();
    bench.begin("word");
    let _processed = bench.observed(&mut dynamic);
    assert_eq!(record.nodes.len(), 4);
}
