//! What took how long, for a collector of OpenTelemetry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use overspill_connectors::source::Clock;
use overspill_telemetry::{Span, SpanExporter, SpanValue};

/// Says to a collector of OpenTelemetry what took how long, if there is one.
#[derive(Default)]
pub struct Tracer(Option<(SpanExporter, Clock)>);

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tracer").field(&self.0.is_some()).finish()
    }
}

impl Tracer {
    /// Sends spans by an exporter; they end as the clock says.
    #[must_use]
    pub fn new(exporter: SpanExporter, clock: Clock) -> Self {
        Self(Some((exporter, clock)))
    }

    /// Something that took so long has ended.
    pub(crate) fn ended(
        &self,
        name: &'static str,
        took: Duration,
        attributes: impl FnOnce() -> Vec<(&'static str, SpanValue)>,
        error: Option<&str>,
    ) {
        let Some((exporter, clock)) = &self.0 else {
            return;
        };
        let end_ns = clock();
        let took_ns = i64::try_from(took.as_nanos()).unwrap_or(i64::MAX);
        exporter.send(Span {
            name,
            begin_ns: end_ns.saturating_sub(took_ns),
            end_ns,
            attributes: attributes(),
            error: error.map(str::to_owned),
        });
    }

    /// Spans that the collector took, and that were dropped.
    pub(crate) fn counts(&self) -> Option<(u64, u64)> {
        let (exporter, _) = self.0.as_ref()?;
        let counts = exporter.counts();
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Some((of(&counts.sent), of(&counts.dropped)))
    }
}

pub(crate) fn text(text: &str) -> SpanValue {
    SpanValue::Text(text.to_owned())
}

pub(crate) fn number(number: u64) -> SpanValue {
    SpanValue::Number(i64::try_from(number).unwrap_or(i64::MAX))
}
