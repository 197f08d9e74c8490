//! Letters between two processes of a job that does not end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Receiver;
use overspill_dataflow::intake::Intake;
use overspill_dataflow::post::{Letter, Post};
use overspill_dataflow::{Job, JobError, Layout, Live, Progress, Stats};

use crate::cluster::meet;
use crate::content::{SCENARIOS, plan};
use crate::jobs::How;

const LONG: Duration = Duration::from_secs(60);

/// A process of a job without partitions.
struct Process {
    post: Arc<Post>,
    letters: Receiver<Letter>,
    halt: Arc<AtomicBool>,
    job: JoinHandle<Result<Stats, JobError>>,
}

impl Process {
    fn start(index: usize, listener: TcpListener, addresses: Vec<SocketAddr>) -> Self {
        let (post, letters) = Post::new();
        let halt = Arc::new(AtomicBool::new(false));
        let live = Live {
            intake: Arc::new(Intake::default()),
            checkpoints: None,
            restored: None,
            halt: Arc::clone(&halt),
            post: Some(Arc::clone(&post)),
        };
        let run = move || {
            let sockets = meet(index, listener, &addresses);
            let job = Job {
                plan: plan(SCENARIOS),
                settings: How::replay(2).settings(),
                layout: Layout::Process {
                    threads: 2,
                    index,
                    sockets,
                },
                partitions: Vec::new(),
                outputs: None,
                recorder: None,
                progress: Arc::new(Progress::default()),
                live: Some(live),
            };
            job.run()
        };
        let job = Builder::new().name(format!("process-{index}")).spawn(run);
        Self {
            post,
            letters,
            halt,
            job: job.unwrap(),
        }
    }

    fn next(&self) -> (usize, Vec<u8>) {
        let letter = self.letters.recv_timeout(LONG).unwrap();
        (letter.from, letter.bytes)
    }
}

#[test]
fn letters_arrive_in_order_and_also_the_last_one_before_a_halt() {
    let listeners = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [0, 1].map(|at: usize| listeners[at].local_addr().unwrap());
    let [first, second] = listeners;
    let first = Process::start(0, first, addresses.to_vec());
    let second = Process::start(1, second, addresses.to_vec());
    // Some are sent before the other one runs.
    for n in 0..100_u8 {
        first.post.send(1, vec![n; usize::from(n) * 100]);
    }
    // Those of one process come in their order, and those of two in any.
    let (mut n_theirs, mut n_ours) = (0_u8, 0_u8);
    while n_theirs < 100 || n_ours < 100 {
        let (from, bytes) = second.next();
        if from == 0 {
            assert_eq!(bytes, vec![n_theirs; usize::from(n_theirs) * 100]);
            second.post.send(0, vec![n_theirs]);
            second.post.send(1, vec![n_theirs, n_theirs]);
            assert_eq!(first.next(), (1, vec![n_theirs]));
            n_theirs += 1;
        } else {
            assert_eq!(bytes, [n_ours, n_ours]);
            n_ours += 1;
        }
    }
    first.post.send(1, b"end".to_vec());
    first.halt.store(true, Ordering::SeqCst);
    assert_eq!(second.next(), (0, b"end".to_vec()));
    second.halt.store(true, Ordering::SeqCst);
    first.job.join().unwrap().unwrap();
    second.job.join().unwrap().unwrap();
    // From a job that has ended nothing leaves, and nobody is held up by that.
    first.post.send(1, Vec::new());
    assert!(second.letters.is_empty());
}
