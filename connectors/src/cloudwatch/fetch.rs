//! The thread that looks at a group, again and again.

use std::sync::Arc;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use tokio::time::Instant;

use super::config::{CloudWatchConfig, Streams};
use crate::aws::{Fault, Inbox, Trouble, jittered};
use crate::bell::Bell;
use crate::source::{Backoff, Clock, Count, Counters, Weigh};

/// Bytes that an event takes besides its own.
const EVENT_BYTES: usize = 128;
/// Nanoseconds of a millisecond.
const MILLISECOND_NS: i64 = 1_000_000;

/// An event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogEvent {
    pub(super) stream: Arc<str>,
    pub(super) id: String,
    pub(super) time_ms: i64,
    pub(super) taken_ms: i64,
    pub(super) text: String,
}

/// What came of a group.
#[derive(Debug)]
pub(super) enum Piece {
    /// A part of a look.
    Page {
        /// Before the look began, in nanoseconds since 1970.
        as_of_ns: i64,
        is_first: bool,
        is_last: bool,
        events: Vec<LogEvent>,
    },
    /// There is no such group.
    Missing,
}

impl Weigh for Piece {
    fn n_bytes(&self) -> usize {
        let of = |event: &LogEvent| event.text.len() + event.id.len() + EVENT_BYTES;
        match self {
            Self::Page { events, .. } => events.iter().map(of).sum(),
            Self::Missing => 0,
        }
    }
}

/// Whoever looks.
pub(super) struct Reader {
    pub(super) config: Arc<CloudWatchConfig>,
    pub(super) inbox: Arc<Inbox<Piece>>,
    pub(super) bell: Arc<Bell>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Clock,
    /// Events of a time before this are not asked for.
    pub(super) begin_ms: i64,
    /// Latest time of an event.
    pub(super) high_ms: i64,
}

impl Reader {
    /// Looks, without end.
    pub(super) async fn run(mut self) {
        let mut client = Client::new(&self.config.access.settings().await);
        let mut backoff = Backoff::default();
        loop {
            let since = Instant::now();
            match self.look(&client, &mut backoff).await {
                Ok(()) => tokio::time::sleep_until(since + self.config.poll_every).await,
                Err(trouble) => {
                    if trouble.fault == Fault::NotFound {
                        self.put(Piece::Missing);
                    }
                    self.pause(&trouble, &mut backoff).await;
                    if trouble.fault == Fault::Denied {
                        // Credentials may have run out, and others be where they were.
                        client = Client::new(&self.config.access.settings().await);
                    }
                }
            }
        }
    }

    /// Hands something on. A page with nothing in it takes the place of another one.
    fn put(&self, piece: Piece) {
        let is_idle = |last: &Piece| match last {
            Piece::Page {
                is_first: true,
                is_last: true,
                events,
                ..
            } => events.is_empty(),
            Piece::Page { .. } => false,
            Piece::Missing => true,
        };
        self.inbox.put(piece, is_idle);
        self.bell.ring(0);
    }

    async fn pause(&self, trouble: &Trouble, backoff: &mut Backoff) {
        self.counters.sample(Count::Errors, &trouble.text);
        let pause = backoff.pause().max(self.config.page_every);
        tokio::time::sleep(jittered(pause.saturating_mul(2))).await;
    }

    /// One look, page by page.
    async fn look(&mut self, client: &Client, backoff: &mut Backoff) -> Result<(), Trouble> {
        let as_of_ns = (self.clock)();
        let overlap = i64::try_from(self.config.overlap.as_millis()).unwrap_or(i64::MAX);
        let from_ms = self.high_ms.saturating_sub(overlap).max(self.begin_ms);
        let (mut token, mut is_first) = (None, true);
        loop {
            self.inbox.room().await;
            let due = Instant::now() + self.config.page_every;
            let page = match self.page(client, from_ms, &token).await {
                Ok(page) => page,
                // What was read of the look is known, so it can be begun anew at any time.
                Err(trouble) if matches!(trouble.fault, Fault::Throttled | Fault::Passing) => {
                    self.pause(&trouble, backoff).await;
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            backoff.reset();
            let (events, next) = page;
            let latest = events.iter().map(|event| event.time_ms).max();
            let latest = latest.unwrap_or(i64::MIN).min(as_of_ns / MILLISECOND_NS);
            self.high_ms = self.high_ms.max(latest);
            // The same token again would be the same page again.
            let is_last = next.is_none() || next == token;
            self.put(Piece::Page {
                as_of_ns,
                is_first,
                is_last,
                events,
            });
            if is_last {
                return Ok(());
            }
            (token, is_first) = (next, false);
            tokio::time::sleep_until(due).await;
        }
    }

    async fn page(
        &self,
        client: &Client,
        from_ms: i64,
        token: &Option<String>,
    ) -> Result<(Vec<LogEvent>, Option<String>), Trouble> {
        let only = match &self.config.streams {
            Streams::One(name) => Some(vec![name.clone()]),
            Streams::All | Streams::Matching(_) => None,
        };
        let answer = client
            .filter_log_events()
            .log_group_name(&self.config.group)
            .set_log_stream_names(only)
            .start_time(from_ms.max(0))
            .limit(self.config.page_events)
            .set_next_token(token.clone())
            .send()
            .await
            .map_err(|error| Trouble::of("FilterLogEvents", &error))?;
        let mut last: Option<Arc<str>> = None;
        let mut events = Vec::new();
        for event in answer.events.unwrap_or_default() {
            if let Some(event) = self.event(event, &mut last) {
                events.push(event);
            }
        }
        Ok((events, answer.next_token))
    }

    /// An event, if its stream is wanted.
    fn event(&self, event: FilteredLogEvent, last: &mut Option<Arc<str>>) -> Option<LogEvent> {
        let name = event.log_stream_name.unwrap_or_default();
        if !self.config.is_wanted(&name) {
            return None;
        }
        let stream = match last.take() {
            Some(last) if *last == *name => last,
            _ => Arc::from(name),
        };
        *last = Some(Arc::clone(&stream));
        let time_ms = event.timestamp.unwrap_or(0);
        Some(LogEvent {
            stream,
            id: event.event_id.unwrap_or_default(),
            time_ms,
            taken_ms: event.ingestion_time.unwrap_or(time_ms),
            text: event.message.unwrap_or_default(),
        })
    }
}
