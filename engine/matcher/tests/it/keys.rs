//! Keys: which bucket, and whose worker.

use overspill_bucket::{KEY_GROUPS, key_group, owner};
use overspill_matcher::{Keyer, MatchState};

use crate::content::{Content, Draft, TestEvent};

#[test]
fn keys_are_the_same_in_every_build() {
    // Snapshots and the other processes of a job refer to them: a change is a new format.
    let keyer = Keyer::new(*b"0123456789abcdef");
    let key = keyer.scenario("evt.Meta.log_type == 'x'", "team/name");
    let keys = [
        key.bucket(b"192.0.2.1").0,
        key.bucket(b"").0,
        keyer.distinct(b"value"),
    ];
    let stored = [
        [6_049_728_798_066_886_704, 6_730_461_544_822_266_836],
        [15_512_814_201_973_955_206, 14_102_990_035_428_263_284],
        [3_215_681_404_071_801_798, 11_633_332_517_697_873_770],
    ];
    assert_eq!(keys, stored);
}

#[test]
fn groups_spread_over_all_key_groups_and_the_secret_decides_where() {
    let keys = |secret: u8| -> Vec<u16> {
        let scenario = Keyer::new([secret; 16]).scenario("f", "n");
        (0u32..20_000)
            .map(|n| key_group(scenario.bucket(&n.to_be_bytes())))
            .collect()
    };
    let (ours, theirs) = (keys(1), keys(2));
    for groups in [&ours, &theirs] {
        let mut counts = vec![0u32; usize::from(KEY_GROUPS)];
        for group in groups {
            counts[usize::from(*group)] += 1;
        }
        // 19.5 on average; a hash that leaves groups empty or crowds some is no hash.
        assert!(counts.iter().all(|n| (1..60).contains(n)), "{counts:?}");
    }
    let n_equal = ours.iter().zip(&theirs).filter(|(a, b)| a == b).count();
    assert!(n_equal < 100, "{n_equal} of 20,000 stay in their key group");
}

#[test]
fn a_key_has_one_owner_and_splitting_a_job_splits_the_owners() {
    let scenario = Keyer::new([1; 16]).scenario("f", "n");
    for n in 0u32..2_000 {
        let key = scenario.bucket(&n.to_be_bytes());
        assert_eq!(owner(key, 1), 0);
        // Ranges are contiguous: twice the workers, and each range is cut in two.
        for workers in [1, 2, 4, 8] {
            assert_eq!(owner(key, workers * 2) / 2, owner(key, workers));
        }
        assert!(owner(key, 3) < 3);
    }
}

#[test]
fn scenarios_of_one_filter_and_name_share_buckets_and_others_do_not() {
    let draft = |name: &str, filter: &str| Draft {
        name: name.to_owned(),
        groupby: Some("evt.Meta.a".to_owned()),
        ..Draft::filter(filter)
    };
    let content = Content::new(&[
        draft("one", "evt.Meta.b == 'y'"),
        draft("one", "evt.Meta.b == 'y'"),
        draft("two", "evt.Meta.b == 'y'"),
        draft("one", "evt.Meta.b  == 'y'"),
    ]);
    let rules = content.rules();
    let mut state = MatchState::default();
    let mut keys = |group: &str| -> Vec<_> {
        let event = TestEvent::meta(&[("a", group), ("b", "y")]);
        let matched = content.matches(&rules, &mut state, &event);
        matched.hits.iter().map(|hit| hit.key).collect()
    };
    let one = keys("192.0.2.1");
    assert_eq!(one[0], one[1]);
    assert!(one[0] != one[2] && one[0] != one[3] && one[2] != one[3]);
    let other = keys("192.0.2.2");
    assert!(one.iter().zip(&other).all(|(a, b)| a != b));
    assert_eq!(one, keys("192.0.2.1"));
}

#[test]
fn the_group_text_is_what_the_key_is_made_of() {
    let content = Content::new(&[
        Draft {
            groupby: Some("evt.Meta.a + '/' + evt.Meta.b".to_owned()),
            ..Draft::filter("true")
        },
        Draft::filter("true"),
    ]);
    let rules = content.rules();
    let fields = TestEvent::meta(&[("a", "x"), ("b", "y")]);
    let mut event = content.event(&fields);
    let [first, second] = [0, 1].map(|n| rules.scenarios()[n].id);
    let text = rules.group_text(first, &mut event, &mut content.outside());
    assert_eq!(text.as_deref(), Some(&b"x/y"[..]));
    let text = rules.group_text(second, &mut event, &mut content.outside());
    assert_eq!(text.as_deref(), Some(&b""[..]));
    let matched = content.matches(&rules, &mut MatchState::default(), &fields);
    let key = Keyer::new([7; 16]).scenario("true", "s");
    assert_eq!(matched.hits[0].key, key.bucket(b"x/y"));
    assert_eq!(matched.hits[1].key, key.bucket(b""));
}
