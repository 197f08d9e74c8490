//! Whom an alert is about: the sources of the events that a bucket kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use overspill_event::{AlertEvent, Event, EventKind, FieldMap, Overflow, Source};
use overspill_expr::{Context, NoStash, Program, Services};
use overspill_golike::net;
use overspill_golike::time::Time;

use super::{AlertSpec, BuildError, SHARED_EVENTS_SOURCES_MAX, Spill, text};

/// The sources of a bucket's events, merged: of one key, the last event's source counts.
pub(super) struct Sources {
    pub(super) by_key: BTreeMap<String, Source>,
    /// Scope of the first source, empty when there is none.
    pub(super) scope: String,
    /// Which events a source comes from; kept only when there are too many to share all events.
    events: BTreeMap<String, BTreeSet<usize>>,
}

impl Sources {
    pub(super) fn of(
        spec: &AlertSpec,
        spill: &Spill<'_>,
        events: &mut [Event],
        services: &Services,
    ) -> Result<Self, BuildError> {
        let mut all = Self {
            by_key: BTreeMap::new(),
            scope: String::new(),
            events: BTreeMap::new(),
        };
        let mut finder = Finder {
            spec,
            services,
            now: spill.overflow,
        };
        let mut first_scope: Option<String> = None;
        for (number, event) in events.iter_mut().enumerate() {
            for (key, source) in finder.sources_of(event)? {
                let first = first_scope.get_or_insert_with(|| source.scope.clone());
                if *first != source.scope {
                    let first = first.clone();
                    return Err(BuildError::MixedScopes {
                        first,
                        other: source.scope,
                    });
                }
                all.events.entry(key.clone()).or_default().insert(number);
                all.by_key.insert(key, source);
            }
        }
        all.scope = first_scope.unwrap_or_default();
        Ok(all)
    }

    /// The events that the alert about a source carries.
    pub(super) fn events_of(
        &self,
        key: &str,
        retained: &Arc<Vec<AlertEvent>>,
    ) -> Arc<Vec<AlertEvent>> {
        if self.by_key.len() < SHARED_EVENTS_SOURCES_MAX {
            return Arc::clone(retained);
        }
        let numbers = self.events.get(key).into_iter().flatten();
        let own = numbers.filter_map(|number| retained.get(*number).cloned());
        Arc::new(own.collect())
    }
}

struct Finder<'a> {
    spec: &'a AlertSpec,
    services: &'a Services,
    now: Time,
}

impl Finder<'_> {
    fn sources_of(&mut self, event: &mut Event) -> Result<Vec<(String, Source)>, BuildError> {
        if event.kind == EventKind::Overflow {
            // Taken out meanwhile, because the scope's expression reads the whole event.
            let Some(overflow) = event.overflow.clone() else {
                return Ok(Vec::new());
            };
            return self.of_overflow(&overflow, event);
        }
        let source = match &*self.spec.scope {
            "Ip" | "Range" => self.of_address(event)?,
            scope => {
                let expression = self.spec.scope_expression.as_ref();
                let expression = expression.ok_or_else(|| BuildError::NoScopeExpression {
                    scope: scope.to_owned(),
                })?;
                let value = self.value_of(expression, event)?;
                Source {
                    scope: scope.to_owned(),
                    value,
                    ..Source::default()
                }
            }
        };
        Ok(vec![(source.value.clone(), source)])
    }

    /// A log event, scope `Ip` or `Range`.
    fn of_address(&self, event: &mut Event) -> Result<Source, BuildError> {
        let ip = event
            .get_named(FieldMap::Meta, b"source_ip")
            .ok_or(BuildError::NoSourceIp)?;
        if net::parse_ip(ip).is_none() {
            return Err(BuildError::BadSourceIp { value: text(ip) });
        }
        let enriched = |name: &str| event.get_named(FieldMap::Enriched, name.as_bytes());
        let enriched_text = |name| text(enriched(name).unwrap_or_default());
        let range = match event
            .get_named(FieldMap::Meta, b"SourceRange")
            .unwrap_or_default()
        {
            b"" => String::new(),
            range => {
                let cidr = net::parse_cidr(range)
                    .ok_or_else(|| BuildError::BadSourceRange { value: text(range) })?;
                format!("{}/{}", cidr.network(), cidr.bits())
            }
        };
        let mut source = Source {
            scope: self.spec.scope.to_string(),
            value: String::new(),
            ip: text(ip),
            range,
            as_name: enriched_text("ASNOrg"),
            as_number: text(
                enriched("ASNumber")
                    .or_else(|| enriched("ASNNumber"))
                    .unwrap_or_default(),
            ),
            cn: enriched_text("IsoCode"),
            latitude: self.degrees(enriched("Latitude")),
            longitude: self.degrees(enriched("Longitude")),
        };
        source.value = match (&*self.spec.scope, &self.spec.scope_expression) {
            ("Ip", _) => source.ip.clone(),
            (_, None) => source.range.clone(),
            (_, Some(expression)) => self.value_of(expression, event)?,
        };
        Ok(source)
    }

    /// An event that is itself an overflow, poured again.
    fn of_overflow(
        &self,
        overflow: &Overflow,
        event: &mut Event,
    ) -> Result<Vec<(String, Source)>, BuildError> {
        let mut found = Vec::new();
        for (key, source) in &overflow.sources {
            if *source.scope == *self.spec.scope {
                found.push((key.clone(), source.clone()));
            } else if &*self.spec.scope != "Range" {
                self.warn("a reprocessed overflow has a source of another scope");
            } else if source.scope == "Ip" {
                let value = match &self.spec.scope_expression {
                    None => source.range.clone(),
                    Some(expression) => self.value_of(expression, event)?,
                };
                if value.is_empty() {
                    self.warn("a reprocessed overflow has a source without a range");
                    continue;
                }
                let widened = Source {
                    scope: self.spec.scope.to_string(),
                    value: value.clone(),
                    ip: String::new(),
                    ..source.clone()
                };
                found.push((value, widened));
            }
        }
        Ok(found)
    }

    /// The string that an expression gives; a result of another type is the empty string.
    fn value_of(&self, expression: &Program, event: &mut Event) -> Result<String, BuildError> {
        let mut context = Context {
            evt: Some(event),
            vars: &[],
            stash: &mut NoStash,
            services: self.services,
            now: self.now,
        };
        let mut out = Vec::new();
        match expression.eval_str(&mut context, &mut out) {
            Ok(true) => Ok(text(&out)),
            Ok(false) => Ok(String::new()),
            Err(source) => Err(BuildError::ScopeExpression {
                scope: self.spec.scope.to_string(),
                source,
            }),
        }
    }

    /// Degrees as a float32; 0 with a warning when the text is no finite number.
    fn degrees(&self, bytes: Option<&[u8]>) -> f32 {
        let Some(bytes) = bytes else { return 0.0 };
        match std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<f32>().ok())
        {
            Some(degrees) if degrees.is_finite() => degrees,
            _ => {
                self.warn("latitude or longitude is not a number");
                0.0
            }
        }
    }

    fn warn(&self, what: &str) {
        self.services
            .log
            .warn(&format!("{}: {what}", self.spec.name));
    }
}
