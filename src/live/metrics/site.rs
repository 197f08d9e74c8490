//! What a live job answers over HTTP.

use std::sync::{Arc, Mutex};

use overspill_connectors::source::Clock;
use overspill_telemetry::{Answer, Book, CONTENT_TYPE, Counts, Limits, Site};

use super::gather::Gatherer;
use super::meters::{Meters, lock};
use super::{page, summary};

/// The paths of a live job.
pub(super) struct LiveSite {
    meters: Arc<Meters>,
    http: Arc<Counts>,
    is_full: bool,
    /// One thread asks; the lock is never waited for.
    inner: Mutex<Inner>,
}

struct Inner {
    gatherer: Gatherer,
    book: Book,
}

impl LiveSite {
    pub(super) fn new(meters: Arc<Meters>, clock: Clock, http: Arc<Counts>, is_full: bool) -> Self {
        Self {
            http,
            is_full,
            inner: Mutex::new(Inner {
                gatherer: Gatherer::new(Arc::clone(&meters), clock),
                book: Book::new(Limits::default()),
            }),
            meters,
        }
    }

    fn metrics(&self) -> Answer {
        let Inner { gatherer, book } = &mut *lock(&self.inner);
        let mut page = book.page();
        let snapshot = gatherer.look();
        page::fill(&mut page, &self.meters, snapshot, &self.http, self.is_full);
        Answer {
            status: 200,
            content_type: CONTENT_TYPE,
            body: page.finish(),
        }
    }

    /// Whether the workers make progress. A job that is still being restored lives.
    fn health(&self) -> Answer {
        match lock(&self.inner).gatherer.is_stuck() {
            true => Answer::text(503, "a worker makes no progress"),
            false => Answer::text(200, "ok"),
        }
    }

    fn readiness(&self) -> Answer {
        match self.meters.unready() {
            Some(why) => Answer::text(503, why),
            None => Answer::text(200, "ok"),
        }
    }

    fn top(&self) -> Answer {
        let top = summary::of(&self.meters, lock(&self.inner).gatherer.look());
        match serde_json::to_string(&top) {
            Ok(body) => Answer {
                status: 200,
                content_type: "application/json",
                body,
            },
            Err(error) => Answer::text(500, &error.to_string()),
        }
    }
}

impl Site for LiveSite {
    fn answer(&self, path: &str) -> Option<Answer> {
        match path {
            "/metrics" => Some(self.metrics()),
            "/healthz" => Some(self.health()),
            "/readyz" => Some(self.readiness()),
            "/top.json" => Some(self.top()),
            _ => None,
        }
    }
}
