//! Processes that belong together meet; those that do not say why.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use overspill_peers::greeting::Verdict;
use overspill_peers::{
    ClusterError, Generation, Limits, Meeting, Notice, Peers, PeersSpec, Refusal, Secret,
};

use crate::util::{SHORT, Seeker, linked, listeners, peers};

#[test]
fn three_processes_meet_in_any_order_and_learn_the_generation() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (listeners, addresses) = listeners(3);
        let mut listeners: Vec<_> = listeners.into_iter().map(Some).collect();
        let mut seekers = Vec::new();
        for index in order {
            let listener = listeners[index].take().unwrap();
            seekers.push((index, Seeker::start(listener, peers(index, &addresses))));
            std::thread::sleep(Duration::from_millis(30));
        }
        let mut meetings: Vec<_> = (0..3).map(|_| None).collect();
        for (index, seeker) in seekers {
            meetings[index] = Some(seeker.join().unwrap());
        }
        let mut meetings: Vec<_> = meetings.into_iter().map(Option::unwrap).collect();
        for (index, meeting) in meetings.iter_mut().enumerate() {
            assert_eq!(meeting.generation, 5);
            let mut all = vec![true; 3];
            all[index] = false;
            assert_eq!(linked(meeting), all);
            for (to, link) in meeting.links.iter_mut().enumerate() {
                if let Some(link) = link {
                    link.write_all(&[index as u8, to as u8]).unwrap();
                }
            }
        }
        for (index, meeting) in meetings.iter_mut().enumerate() {
            for (from, link) in meeting.links.iter_mut().enumerate() {
                if let Some(link) = link {
                    let mut bytes = [0; 2];
                    link.read_exact(&mut bytes).unwrap();
                    assert_eq!(bytes, [from as u8, index as u8]);
                }
            }
        }
    }
}

#[test]
fn one_process_meets_nobody() {
    let (mut listeners, addresses) = listeners(1);
    let seeker = Seeker::start(listeners.remove(0), peers(0, &addresses));
    let meeting = seeker.join().unwrap();
    assert_eq!((linked(&meeting), meeting.generation), (vec![false], 5));
}

#[test]
fn the_port_is_closed_when_all_have_come() {
    let (listeners, addresses) = listeners(2);
    let seekers: Vec<_> = listeners
        .into_iter()
        .enumerate()
        .map(|(index, listener)| Seeker::start(listener, peers(index, &addresses)))
        .collect();
    let _meetings: Vec<_> = seekers.into_iter().map(|s| s.join().unwrap()).collect();
    assert!(std::net::TcpStream::connect(addresses[0]).is_err());
}

/// What each process of a pair ends with when the second is changed. Each in a pair of its own, in
/// which it ends first: what it says is not that the other has ended.
fn pair(
    change: impl Fn(&mut Peers),
    limit: impl Fn(&mut Limits),
) -> [Result<Meeting, ClusterError>; 2] {
    let first_to_end = [0, 1].map(|observed| {
        let (listeners, addresses) = listeners(2);
        let seekers = listeners.into_iter().enumerate().map(|(index, listener)| {
            let mut peers = peers(index, &addresses);
            if index == observed {
                limit(&mut peers.limits);
            }
            if index == 1 {
                change(&mut peers);
            }
            Seeker::start(listener, peers)
        });
        let mut seekers: Vec<_> = seekers.collect();
        seekers.swap_remove(observed)
    });
    first_to_end.map(Seeker::join)
}

fn short(limits: &mut Limits) {
    limits.patience = Some(SHORT);
}

/// What each says when the other goes on differing for longer than it can bear.
fn differ(change: impl Fn(&mut Peers)) -> [String; 2] {
    texts(pair(change, |limits| {
        limits.differs_grace = Duration::from_millis(200);
    }))
}

fn texts(ends: [Result<Meeting, ClusterError>; 2]) -> [String; 2] {
    ends.map(|end| end.unwrap_err().to_string())
}

#[test]
fn who_differs_is_told_in_what() {
    let [first, second] = differ(|peers| peers.identity.build = [9; 32]);
    assert_eq!(first, "process 1 runs another build of the program");
    assert_eq!(second, "process 0 runs another build of the program");
    let [first, _] = differ(|peers| peers.identity.content = [9; 32]);
    assert_eq!(
        first,
        "process 1 has other content (parsers, scenarios or data files)"
    );
    let [first, second] = differ(|peers| {
        let PeersSpec::List(list) = &mut peers.spec else {
            unreachable!()
        };
        list.push(("127.0.0.1".into(), 9));
    });
    assert_eq!(first, "process 1 counts another number of processes");
    assert_eq!(second, "process 0 counts another number of processes");
}

#[test]
fn a_wrong_secret_is_refused_without_a_word_and_nobody_gives_up_over_it() {
    let other = |peers: &mut Peers| peers.secret = Secret::new(b"not the secret at all").unwrap();
    let [first, second] = texts(pair(other, short));
    assert!(first.ends_with("s: 1"), "{first}");
    assert!(second.contains("has another secret"), "{second}");
}

#[test]
fn former_generations_are_refused_and_later_ones_end_the_former() {
    // The second is of the past and knows it at once.
    let [first, second] = pair(|peers| peers.generation = Generation::Given(4), short);
    assert!(matches!(first, Err(ClusterError::Missing { .. })));
    assert!(matches!(
        second,
        Err(ClusterError::Superseded { ours: 4, theirs: 5 })
    ));
    // The first is of the past: the second has seen a later generation in the store.
    let later = Generation::Learnt { at_least: 6 };
    let [first, second] = pair(|peers| peers.generation = later, short);
    assert!(matches!(
        first,
        Err(ClusterError::Superseded { ours: 5, theirs: 6 })
    ));
    assert!(matches!(second, Err(ClusterError::Missing { .. })));
    // A generation that is known and right.
    let (listeners, addresses) = listeners(2);
    let seekers = listeners.into_iter().enumerate().map(|(index, listener)| {
        let generation = Generation::Given(5);
        let peers = peers(index, &addresses);
        Seeker::start(
            listener,
            Peers {
                generation,
                ..peers
            },
        )
    });
    let seekers: Vec<_> = seekers.collect();
    let ends: Vec<_> = seekers.into_iter().map(Seeker::join).collect();
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

#[test]
fn an_index_that_somebody_else_has_is_refused() {
    let (listeners, addresses) = listeners(3);
    let mut listeners = listeners.into_iter();
    let first = Seeker::start(listeners.next().unwrap(), peers(0, &addresses));
    let second = Seeker::start(listeners.next().unwrap(), peers(1, &addresses));
    second.until(|notice| *notice == Notice::Met(0));
    // The same index again, from another port.
    let mut twin = peers(1, &addresses);
    twin.limits.patience = Some(SHORT);
    let twin = Seeker::start(TcpListener::bind("127.0.0.1:0").unwrap(), twin);
    let error = twin.join().unwrap_err().to_string();
    assert!(error.contains("is connected already"), "{error}");
    let third = Seeker::start(listeners.next().unwrap(), peers(2, &addresses));
    let meeting = first.join().unwrap();
    let duplicates = meeting.counts.refused(Refusal::Verdict(Verdict::Duplicate));
    assert!(duplicates > 0);
    let ends = [second.join(), third.join()];
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

#[test]
fn mixed_up_addresses_are_seen() {
    let (listeners, addresses) = listeners(3);
    let mut listeners = listeners.into_iter();
    // Process 0 is found where process 1 is looked for.
    let mut mixed = peers(2, &addresses);
    mixed.spec = PeersSpec::fixed(&[addresses[0], addresses[0], addresses[2]]);
    mixed.limits.patience = Some(SHORT);
    let first = Seeker::start(listeners.next().unwrap(), peers(0, &addresses));
    let third = Seeker::start(listeners.nth(1).unwrap(), mixed);
    let error = third.join().unwrap_err().to_string();
    assert!(error.contains("addresses are mixed up"), "{error}");
    drop(first);
}

#[test]
fn a_peer_that_dies_before_all_have_come_is_waited_for_again() {
    let (listeners, addresses) = listeners(3);
    let mut listeners = listeners.into_iter();
    let first = Seeker::start(listeners.next().unwrap(), peers(0, &addresses));
    let second = listeners.next().unwrap();
    // It comes, waits for the third, and gives up: as good as dead.
    let mut short = peers(1, &addresses);
    short.limits.patience = Some(SHORT);
    let again = second.try_clone().unwrap();
    assert!(Seeker::start(second, short).join().is_err());
    first.until(|notice| *notice == Notice::Lost(1));
    let second = Seeker::start(again, peers(1, &addresses));
    let third = Seeker::start(listeners.next().unwrap(), peers(2, &addresses));
    let meeting = first.join().unwrap();
    assert_eq!((meeting.counts.met, meeting.counts.lost), (3, 1));
    let ends = [second.join(), third.join()];
    assert!(ends.iter().all(Result::is_ok), "{ends:?}");
}

#[test]
fn without_process_0_the_generation_is_learnt_anew() {
    let (listeners, addresses) = listeners(3);
    let mut listeners = listeners.into_iter();
    let port = listeners.next().unwrap();
    let again = port.try_clone().unwrap();
    let mut short = peers(0, &addresses);
    short.limits.patience = Some(SHORT);
    let first = Seeker::start(port, short);
    let second = Seeker::start(listeners.next().unwrap(), peers(1, &addresses));
    second.until(|notice| *notice == Notice::Generation(5));
    assert!(first.join().is_err());
    second.until(|notice| *notice == Notice::Lost(0));
    let mut next = peers(0, &addresses);
    next.generation = Generation::Given(6);
    let first = Seeker::start(again, next);
    let third = Seeker::start(listeners.next().unwrap(), peers(2, &addresses));
    let meetings = [first, second, third].map(|seeker| seeker.join().unwrap());
    assert!(meetings.iter().all(|meeting| meeting.generation == 6));
}

#[test]
fn who_waits_tells_for_whom() {
    let (mut listeners, addresses) = listeners(2);
    let mut waiting = peers(1, &addresses);
    drop(listeners.remove(0));
    waiting.limits.notice_every = Duration::from_millis(50);
    waiting.limits.patience = Some(SHORT);
    let seeker = Seeker::start(listeners.remove(0), waiting);
    // The first one may come before the first attempt has.
    seeker.until(|notice| {
        let Notice::Waiting { missing, .. } = notice else {
            return false;
        };
        assert_eq!(missing[0].index, 0);
        let reason = missing[0].reason.as_deref();
        reason.is_some_and(|reason| reason.contains("onnection refused"))
    });
    assert!(matches!(seeker.join(), Err(ClusterError::Missing { .. })));
}

#[test]
fn nonsense_is_refused_before_anything_is_opened() {
    let (mut some, addresses) = listeners(2);
    let mut none = peers(0, &addresses);
    none.generation = Generation::Learnt { at_least: 0 };
    let seeker = Seeker::start(some.remove(0), none);
    assert!(matches!(seeker.join(), Err(ClusterError::Ungiven)));
    let seeker = Seeker::start(some.remove(0), peers(2, &addresses));
    assert!(matches!(
        seeker.join(),
        Err(ClusterError::Index { index: 2, n: 2 })
    ));
}
