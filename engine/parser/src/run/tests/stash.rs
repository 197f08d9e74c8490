//! Stash: what one line leaves for another.

use crate::ParserState;
use crate::stash::StashSet;
use crate::testing::{Bench, NOW, node};

/// `put KEY VALUE`, `get KEY`, `at SECONDS` and `put_at SECONDS KEY VALUE`, as lines.
fn bench() -> Bench {
    let put = node("put")
        .grok("^put %{WORD:key} %{GREEDYDATA:value}$", "Raw")
        .stash("seen", "evt.Parsed.key", "evt.Parsed.value", 60, 2)
        .set("meta.done", "=put");
    let get = node("get")
        .grok("^get %{WORD:key}$", "Raw")
        .set("meta.done", "=get")
        .set("meta.value", "GetFromStash('seen', evt.Parsed.key)");
    let at = node("at")
        .grok("^at %{INT:time}$", "Raw")
        .set("meta.done", "=at")
        .set("method.ParseDate", "evt.Parsed.time");
    let put_at = node("put_at")
        .grok("^put_at %{INT:time} %{WORD:key} %{WORD:value}$", "Raw")
        .stash("seen", "evt.Parsed.key", "evt.Parsed.value", 60, 2)
        .set("meta.done", "=put_at")
        .set("method.ParseDate", "evt.Parsed.time");
    Bench::new(&[(
        "s00",
        vec![put.next(), get.next(), at.next(), put_at.next()],
    )])
}

#[track_caller]
fn check(bench: &mut Bench, steps: &[(&str, &str)]) {
    for (line, expected) in steps {
        bench.line(line);
        let value = bench.event.get_meta(b"value");
        assert_eq!(String::from_utf8_lossy(value), *expected, "{line}");
    }
}

#[test]
fn a_later_line_reads_what_an_earlier_one_left() {
    check(
        &mut bench(),
        &[
            ("get a", ""),
            ("put a 1", ""),
            ("get a", "1"),
            ("put a 2", ""),
            ("get a", "2"),
        ],
    );
}

#[test]
fn a_full_cache_forgets_the_least_recently_used() {
    let mut bench = bench();
    check(
        &mut bench,
        &[
            ("put a 1", ""),
            ("put b 2", ""),
            ("get a", "1"),
            ("put c 3", ""),
        ],
    );
    check(&mut bench, &[("get a", "1"), ("get b", ""), ("get c", "3")]);
    assert_eq!(bench.state.stash.n_evicted(), 1);
}

#[test]
fn entries_live_by_the_dates_of_the_lines() {
    let mut bench = bench();
    check(
        &mut bench,
        &[
            ("at 1000000", ""),
            ("put a 1", ""),
            ("at 1000060", ""),
            ("get a", "1"),
        ],
    );
    check(
        &mut bench,
        &[
            ("at 1000061", ""),
            ("get a", ""),
            ("at 1000000", ""),
            ("get a", ""),
        ],
    );
}

#[test]
fn an_entry_lives_by_the_date_of_its_own_line() {
    check(
        &mut bench(),
        &[
            ("at 1000000", ""),
            ("put_at 2000000 a 1", ""),
            ("at 2000060", ""),
            ("get a", "1"),
            ("at 2000061", ""),
            ("get a", ""),
        ],
    );
}

#[test]
fn what_was_left_before_the_first_date_lives_by_dates_too() {
    let mut bench = bench();
    check(
        &mut bench,
        &[
            ("put a 1", ""),
            ("at 1000000", ""),
            ("at 1000060", ""),
            ("get a", "1"),
        ],
    );
    check(&mut bench, &[("at 1000061", ""), ("get a", "")]);
}

#[test]
fn without_dates_entries_live_by_the_present_moment() {
    let mut bench = bench();
    check(&mut bench, &[("put a 1", "")]);
    bench.state.set_now(NOW.add(60_000_000_000));
    check(&mut bench, &[("get a", "1")]);
    bench.state.set_now(NOW.add(60_000_000_001));
    check(&mut bench, &[("get a", "")]);
}

#[test]
fn keys_and_values_that_are_no_strings_are_not_remembered() {
    let stash = |key: &str, value: &str| {
        let mut bench = Bench::new(&[(
            "s00",
            vec![
                node("a")
                    .stash("c", key, value, 60, 10)
                    .set("meta.v", "GetFromStash('c', 'k')"),
            ],
        )]);
        (bench.line("x"), bench.state.counts().stash_skipped)
    };
    assert_eq!(stash("'k'", "'v'"), ("processed v=v".to_owned(), 0));
    assert_eq!(stash("'k'", "7"), ("processed".to_owned(), 1));
    assert_eq!(stash("nil", "'v'"), ("processed".to_owned(), 1));
    assert_eq!(
        stash("evt.Unmarshaled.no.such", "'v'"),
        ("processed".to_owned(), 1)
    );
}

#[test]
fn nothing_is_left_when_the_grok_fails_and_children_see_what_is() {
    let stash = |grok: &str| {
        let parent = node("p")
            .grok(grok, "Raw")
            .stash("c", "'k'", "'v'", 60, 10)
            .child(node("child").set("meta.v", "GetFromStash('c', 'k')"));
        crate::testing::line(&[("s00", vec![parent])], "x")
    };
    assert_eq!(stash("^%{WORD:w}$"), "processed v=v p.w=x");
    assert_eq!(stash("^%{INT:w}$"), "processed");
}

#[test]
fn entries_that_are_too_large_are_refused_and_counted() {
    let mut bench = bench();
    let line = format!("put a {}", "x".repeat(crate::STASH_ENTRY_BYTES_MAX));
    check(&mut bench, &[(&line, ""), ("get a", "")]);
    assert_eq!(bench.state.stash.n_refused(), 1);
}

#[test]
fn a_snapshot_restores_entries_order_and_time() {
    let mut first = bench();
    check(
        &mut first,
        &[
            ("at 1000000", ""),
            ("put a 1", ""),
            ("put b 2", ""),
            ("get a", "1"),
        ],
    );
    let mut bytes = Vec::new();
    first.state.stash.encode(&mut bytes);

    let mut second = bench();
    second.state = ParserState::new(&second.plan, NOW);
    second.state.stash = StashSet::decode(&second.plan, &bytes).unwrap();
    let mut again = Vec::new();
    second.state.stash.encode(&mut again);
    assert_eq!(again, bytes);
    check(
        &mut second,
        &[
            ("put c 3", ""),
            ("get b", ""),
            ("get a", "1"),
            ("at 1000061", ""),
        ],
    );
    check(&mut second, &[("get a", "")]);
}

#[test]
fn a_snapshot_cut_short_is_an_error_at_every_length() {
    let mut bench = bench();
    check(&mut bench, &[("put a 1", ""), ("put b 2", "")]);
    let mut bytes = Vec::new();
    bench.state.stash.encode(&mut bytes);
    for len in 0..bytes.len() {
        assert!(
            StashSet::decode(&bench.plan, &bytes[..len]).is_err(),
            "length {len}"
        );
    }
    bytes.push(0);
    assert!(
        StashSet::decode(&bench.plan, &bytes).is_err(),
        "one byte more"
    );
}

#[test]
fn another_plan_keeps_the_stashes_it_knows() {
    let mut old = bench();
    check(&mut old, &[("put a 1", "")]);
    let mut new = bench();
    std::mem::swap(&mut old.state, &mut new.state);
    check(&mut new, &[("get a", "1")]);
}
