//! The thread of a source, with a runtime on it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::select;
use tokio::sync::Notify;

/// That a thread is to end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_asked: AtomicBool,
    asked: Notify,
}

impl Stop {
    /// Asks for it. What is waited for is given up.
    pub(crate) fn ask(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        self.asked.notify_one();
    }

    async fn wait(&self) {
        while !self.is_asked.load(Ordering::SeqCst) {
            self.asked.notified().await;
        }
    }
}

/// Starts a thread that does this until it is asked to stop.
///
/// # Errors
/// When there can be no more threads, or no more files to wait for.
pub(crate) fn start<W>(name: &str, stop: &Arc<Stop>, work: W) -> io::Result<()>
where
    W: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let stop = Arc::clone(stop);
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            runtime.block_on(async {
                select(pin!(work), pin!(stop.wait())).await;
            });
            // A name that is being looked up is not waited for.
            runtime.shutdown_background();
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Told(std::sync::mpsc::SyncSender<()>);

    impl Drop for Told {
        fn drop(&mut self) {
            let _told = self.0.send(());
        }
    }

    #[test]
    fn a_thread_that_is_asked_to_stop_gives_up_what_it_waits_for() {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let (stop, told) = (Arc::<Stop>::default(), Told(sender));
        let work = async move {
            let _told = told;
            std::future::pending::<()>().await;
        };
        start("test", &stop, work).unwrap();
        assert!(receiver.try_recv().is_err());
        stop.ask();
        receiver.recv().unwrap();
    }
}
