//! What a worker remembers is bounded, and the bound is counted.

use overspill_matcher::MatchState;

use crate::content::{Content, Draft, TestEvent};

#[test]
fn kinds_without_room_are_counted_and_values_nobody_names_are_one_kind() {
    let content = Content::new(&[
        Draft::filter("evt.Meta.log_type == 'ssh' && evt.Meta.a == 'x'"),
        Draft::filter("evt.Meta.log_type == 'ssh' && evt.Meta.a == 'y'"),
    ]);
    let rules = content.rules();
    let event = |a: &str| TestEvent::meta(&[("log_type", "ssh"), ("a", a)]);

    let mut roomy = MatchState::default();
    for n in 0..1_000 {
        content.matches(&rules, &mut roomy, &event(&format!("invented {n}")));
    }
    assert_eq!(roomy.n_unremembered(), 0);

    let mut narrow = MatchState::bounded(1);
    for a in ["x", "y", "z"] {
        content.matches(&rules, &mut narrow, &event(a));
    }
    assert_eq!(narrow.n_unremembered(), 3);
}

#[test]
fn a_full_memory_is_forgotten_in_time_and_results_stay() {
    let content = Content::new(&[
        Draft::filter("evt.Meta.log_type == 'ssh' && evt.Meta.a == 'x'"),
        Draft::filter("evt.Meta.log_type == 'ssh' && evt.Meta.a == 'y'"),
    ]);
    let rules = content.rules();
    let event = |a: &str| TestEvent::meta(&[("log_type", "ssh"), ("a", a)]);
    // Room for the group (two filters of one field) and one kind (nothing left of either).
    let mut state = MatchState::bounded(8);
    let mut hits = Vec::new();
    let mut outside = content.outside();
    let mut x = content.event(&event("x"));
    let mut y = content.event(&event("y"));
    rules
        .matches(&mut x, &mut state, &mut outside, &mut hits)
        .unwrap();
    for _ in 0..1 << 16 {
        hits.clear();
        rules
            .matches(&mut y, &mut state, &mut outside, &mut hits)
            .unwrap();
        assert_eq!(hits.len(), 1);
    }
    assert_eq!(state.n_unremembered(), 1 << 16);
    // Everything was forgotten: the kind that comes now finds room.
    for _ in 0..3 {
        hits.clear();
        rules
            .matches(&mut y, &mut state, &mut outside, &mut hits)
            .unwrap();
    }
    assert_eq!(state.n_unremembered(), 1 << 16);
}

#[test]
fn groups_by_something_that_is_no_text_are_counted() {
    let content = Content::new(&[Draft {
        groupby: Some("evt.Unmarshaled.x".to_owned()),
        ..Draft::filter("true")
    }]);
    let mut state = MatchState::default();
    let matched = content.matches(&content.rules(), &mut state, &TestEvent::default());
    assert_eq!(matched.scenarios(), vec![0]);
    assert_eq!(state.n_groupby_not_text, 1);
}
