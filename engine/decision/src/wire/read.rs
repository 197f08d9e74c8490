//! Reading alerts.

use std::sync::Arc;

use overspill_event::{Alert, AlertEvent, Decision, MetaItem, Source};
use overspill_golike::json::{self, Json, JsonError, Object};
use overspill_golike::time::parse_rfc3339;

/// JSON that is no alert.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WireError {
    /// Not JSON at all.
    #[error("not a JSON document")]
    Syntax(#[source] JsonError),
    /// A member that must be there is not, or is `null`.
    #[error("{path} is required")]
    Missing {
        /// Where, as `0.events.2.timestamp`.
        path: String,
    },
    /// A member has another type, or a number does not fit.
    #[error("{path} is not {expected}")]
    Shape {
        /// Where.
        path: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// Reads a list of alerts: the body of a push.
///
/// # Errors
/// [`WireError`] with the place of the first thing that is wrong.
pub fn read_alerts(text: &[u8]) -> Result<Vec<Alert>, WireError> {
    let json = json::decode(text).map_err(WireError::Syntax)?;
    let root = Place {
        parent: None,
        key: Key::Root,
    };
    items(&json, &root)?
        .iter()
        .enumerate()
        .map(|(at, item)| alert(item, &root.at(at)))
        .collect()
}

/// Reads one alert.
///
/// # Errors
/// [`WireError`] with the place of the first thing that is wrong.
pub fn read_alert(text: &[u8]) -> Result<Alert, WireError> {
    let json = json::decode(text).map_err(WireError::Syntax)?;
    alert(
        &json,
        &Place {
            parent: None,
            key: Key::Root,
        },
    )
}

/// A place in the document, as a chain to its root: paths are made only for errors.
struct Place<'a> {
    parent: Option<&'a Place<'a>>,
    key: Key<'a>,
}

enum Key<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl Place<'_> {
    fn of<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place {
            parent: Some(self),
            key: Key::Name(name),
        }
    }

    fn at(&self, index: usize) -> Place<'_> {
        Place {
            parent: Some(self),
            key: Key::Index(index),
        }
    }

    fn path(&self) -> String {
        let own = match self.key {
            Key::Root => return String::new(),
            Key::Name(name) => name.to_owned(),
            Key::Index(index) => index.to_string(),
        };
        match self.parent.map(Self::path) {
            Some(parent) if !parent.is_empty() => format!("{parent}.{own}"),
            _ => own,
        }
    }

    /// The path, or words for the root.
    fn named(&self) -> String {
        let path = self.path();
        if path.is_empty() {
            "the document".to_owned()
        } else {
            path
        }
    }

    fn missing(&self) -> WireError {
        WireError::Missing { path: self.named() }
    }

    fn shape(&self, expected: &'static str) -> WireError {
        WireError::Shape {
            path: self.named(),
            expected,
        }
    }
}

/// An object with its place. Members that are `null` count as absent.
struct Fields<'a> {
    object: &'a Object,
    place: &'a Place<'a>,
}

impl<'a> Fields<'a> {
    fn of(json: &'a Json, place: &'a Place<'a>) -> Result<Self, WireError> {
        match json {
            Json::Object(object) => Ok(Self { object, place }),
            _ => Err(place.shape("an object")),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Json> {
        self.object
            .get(name)
            .filter(|value| !matches!(value, Json::Null))
    }

    fn required(&self, name: &str) -> Result<&'a Json, WireError> {
        self.get(name).ok_or_else(|| self.place.of(name).missing())
    }

    fn as_text(&self, name: &str, value: &Json) -> Result<String, WireError> {
        match value {
            Json::Str(text) => Ok(text.clone()),
            _ => Err(self.place.of(name).shape("a string")),
        }
    }

    fn text(&self, name: &str) -> Result<String, WireError> {
        self.as_text(name, self.required(name)?)
    }

    fn optional_text(&self, name: &str) -> Result<String, WireError> {
        self.get(name)
            .map_or_else(|| Ok(String::new()), |value| self.as_text(name, value))
    }

    fn as_flag(&self, name: &str, value: &Json) -> Result<bool, WireError> {
        match value {
            Json::Bool(flag) => Ok(*flag),
            _ => Err(self.place.of(name).shape("a boolean")),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, WireError> {
        self.as_flag(name, self.required(name)?)
    }

    fn optional_flag(&self, name: &str) -> Result<bool, WireError> {
        self.get(name)
            .map_or(Ok(false), |value| self.as_flag(name, value))
    }

    fn number(&self, name: &str) -> Result<i32, WireError> {
        whole(self.required(name)?)
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| self.place.of(name).shape("a 32-bit integer"))
    }

    fn degrees(&self, name: &str) -> Result<f32, WireError> {
        match self.get(name) {
            None => Ok(0.0),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the wire form is a float32"
            )]
            Some(Json::Number(number)) => Ok(*number as f32),
            Some(_) => Err(self.place.of(name).shape("a number")),
        }
    }

    fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Json, &Place<'_>) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let place = self.place.of(name);
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(json) => items(json, &place)?
                .iter()
                .enumerate()
                .map(|(at, item)| read(item, &place.at(at)))
                .collect(),
        }
    }

    fn required_list<T>(
        &self,
        name: &str,
        read: impl Fn(&Json, &Place<'_>) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        self.required(name)?;
        self.list(name, read)
    }
}

fn items<'a>(json: &'a Json, place: &Place<'_>) -> Result<&'a [Json], WireError> {
    match json {
        Json::Array(items) => Ok(items),
        _ => Err(place.shape("a list")),
    }
}

/// A number without a fraction, within what an `f64` holds exactly.
fn whole(json: &Json) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match json {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and in range"
        )]
        Json::Number(number) if number.trunc() == *number && number.abs() <= EXACT => {
            Some(*number as i64)
        }
        _ => None,
    }
}

fn alert(json: &Json, place: &Place<'_>) -> Result<Alert, WireError> {
    let fields = Fields::of(json, place)?;
    let source = source(fields.required("source")?, &place.of("source"))?;
    Ok(Alert {
        scenario: fields.text("scenario")?,
        scenario_hash: fields.text("scenario_hash")?,
        scenario_version: fields.text("scenario_version")?,
        message: fields.text("message")?,
        events_count: fields.number("events_count")?,
        start_at: fields.text("start_at")?,
        stop_at: fields.text("stop_at")?,
        capacity: fields.number("capacity")?,
        leakspeed: fields.text("leakspeed")?,
        simulated: fields.flag("simulated")?,
        remediation: fields.optional_flag("remediation")?,
        kind: fields.optional_text("kind")?,
        events: Arc::new(fields.required_list("events", event)?),
        meta: fields.list("meta", meta_item)?,
        source_key: source.value.clone(),
        source,
        decisions: fields.list("decisions", decision)?,
        uuid: fields.optional_text("uuid")?,
    })
}

fn source(json: &Json, place: &Place<'_>) -> Result<Source, WireError> {
    let fields = Fields::of(json, place)?;
    Ok(Source {
        scope: fields.text("scope")?,
        value: fields.text("value")?,
        ip: fields.optional_text("ip")?,
        range: fields.optional_text("range")?,
        as_name: fields.optional_text("as_name")?,
        as_number: fields.optional_text("as_number")?,
        cn: fields.optional_text("cn")?,
        latitude: fields.degrees("latitude")?,
        longitude: fields.degrees("longitude")?,
    })
}

fn event(json: &Json, place: &Place<'_>) -> Result<AlertEvent, WireError> {
    let fields = Fields::of(json, place)?;
    Ok(AlertEvent {
        timestamp: Some(fields.text("timestamp")?),
        meta: fields
            .required_list("meta", meta_item)?
            .into_iter()
            .collect(),
    })
}

fn meta_item(json: &Json, place: &Place<'_>) -> Result<MetaItem, WireError> {
    let fields = Fields::of(json, place)?;
    Ok(MetaItem {
        key: fields.optional_text("key")?,
        value: fields.optional_text("value")?,
    })
}

fn decision(json: &Json, place: &Place<'_>) -> Result<Decision, WireError> {
    let fields = Fields::of(json, place)?;
    let until = fields.optional_text("until")?;
    let until_ns = match until.as_str() {
        "" => 0,
        text => parse_rfc3339(text.as_bytes())
            .ok_or_else(|| place.of("until").shape("an RFC 3339 time"))?
            .unix_ns(),
    };
    let id = match fields.get("id") {
        None => 0,
        Some(json) => whole(json)
            .and_then(|id| u64::try_from(id).ok())
            .ok_or_else(|| place.of("id").shape("a number"))?,
    };
    Ok(Decision {
        id,
        uuid: fields.optional_text("uuid")?,
        origin: fields.text("origin")?,
        kind: fields.text("type")?,
        scope: fields.text("scope")?,
        value: fields.text("value")?,
        duration: fields.text("duration")?,
        until_ns,
        scenario: fields.text("scenario")?,
        simulated: fields.optional_flag("simulated")?,
    })
}
