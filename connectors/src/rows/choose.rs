//! Which columns of a file make its lines, and which one its time.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields};

use super::time;

/// Names of a column that may be the line, in the order in which they are looked for.
const LINE_NAMES: [&str; 4] = ["message", "line", "raw", "log"];
/// Names of a column that may be the time, in order.
const TIME_NAMES: [&str; 3] = ["time", "timestamp", "@timestamp"];
/// Key of a file's own metadata that names the column with the line.
pub const LINE_KEY: &str = "overspill.line";

/// What a user asked for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The column whose text is the line.
    pub message: Option<String>,
    /// Columns of the JSON object; without, all of them.
    pub columns: Option<Vec<String>>,
    /// The column with the time of a row.
    pub time: Option<String>,
}

/// The columns of one file that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The text of one column is the line.
    Text {
        /// Its name.
        name: String,
        /// Column with the time.
        time: Option<String>,
    },
    /// A JSON object is the line.
    Object {
        /// Its members, in the order of the schema.
        names: Arc<[String]>,
        /// Column with the time.
        time: Option<String>,
    },
}

impl Choice {
    /// Chooses for a file with these columns. `line` is what its own metadata names as the line.
    ///
    /// # Errors
    /// A text that says which column is missing, or not fit.
    pub(crate) fn new(
        fields: &Fields,
        line: Option<&str>,
        wanted: &Wanted,
        needs_time: bool,
    ) -> Result<Self, String> {
        let time = time_name(fields, wanted, needs_time)?;
        if let Some(name) = &wanted.message {
            let field = find(fields, name)?;
            if !is_text(field.data_type()) {
                return Err(format!(
                    "column {name:?} is {}, not text",
                    field.data_type()
                ));
            }
            let name = name.clone();
            return Ok(Self::Text { name, time });
        }
        if wanted.columns.is_none()
            && let Some(name) = sole_text(fields, line)
        {
            return Ok(Self::Text { name, time });
        }
        let names: Arc<[String]> = fields
            .iter()
            .map(|field| field.name().clone())
            .filter(|name| {
                let columns = wanted.columns.as_ref();
                columns.is_none_or(|columns| columns.contains(name))
            })
            .collect();
        if names.is_empty() {
            return Err("it has none of the columns that were asked for".into());
        }
        Ok(Self::Object { names, time })
    }

    pub(crate) fn time_name(&self) -> Option<&str> {
        let (Self::Text { time, .. } | Self::Object { time, .. }) = self;
        time.as_deref()
    }

    /// The column of this name is read.
    pub(crate) fn reads(&self, name: &str, with_time: bool) -> bool {
        let is_line = match self {
            Self::Text { name: line, .. } => line == name,
            Self::Object { names, .. } => names.iter().any(|member| member == name),
        };
        is_line || (with_time && self.time_name() == Some(name))
    }
}

fn find<'a>(fields: &'a Fields, name: &str) -> Result<&'a Field, String> {
    fields
        .iter()
        .find(|field| field.name() == name)
        .map(AsRef::as_ref)
        .ok_or_else(|| format!("it has no column {name:?}"))
}

fn time_name(fields: &Fields, wanted: &Wanted, needs_time: bool) -> Result<Option<String>, String> {
    if let Some(name) = &wanted.time {
        if !needs_time {
            return Ok(None);
        }
        let field = find(fields, name)?;
        if !time::is_time(field.data_type()) {
            return Err(format!(
                "column {name:?} is {}, which holds no times",
                field.data_type()
            ));
        }
        return Ok(Some(name.clone()));
    }
    if !needs_time {
        return Ok(None);
    }
    let is_timestamp = |field: &Field| matches!(field.data_type(), DataType::Timestamp(..));
    TIME_NAMES
        .iter()
        .find(|name| find(fields, name).is_ok_and(is_timestamp))
        .map(|name| Some((*name).to_owned()))
        .ok_or_else(|| {
            "--since and --until need a time column and it has none of type timestamp called \
             time, timestamp or @timestamp: name one with --time-column"
                .into()
        })
}

/// The column that is the line without being asked for: the one the file itself names, or a column
/// with a name that says so, if no other column holds text.
fn sole_text(fields: &Fields, line: Option<&str>) -> Option<String> {
    if let Some(name) = line
        && find(fields, name).is_ok_and(|field| is_text(field.data_type()))
    {
        return Some(name.to_owned());
    }
    let mut texts = fields
        .iter()
        .filter(|field| may_hold_text(field.data_type()));
    let (sole, others) = (texts.next()?, texts.next());
    let is_named = LINE_NAMES.contains(&sole.name().as_str());
    (others.is_none() && is_named && is_text(sole.data_type())).then(|| sole.name().clone())
}

/// Text, or bytes that may be text.
fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

/// There is text in it, or within it.
fn may_hold_text(kind: &DataType) -> bool {
    kind.is_nested() || is_text(kind)
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    fn fields(list: &[(&str, DataType)]) -> Fields {
        list.iter()
            .map(|(name, kind)| Field::new(*name, kind.clone(), true))
            .collect()
    }

    fn time() -> (&'static str, DataType) {
        ("time", DataType::Timestamp(TimeUnit::Microsecond, None))
    }

    fn chosen(list: &[(&str, DataType)], line: Option<&str>) -> Option<String> {
        match Choice::new(&fields(list), line, &Wanted::default(), false).unwrap() {
            Choice::Text { name, .. } => Some(name),
            Choice::Object { .. } => None,
        }
    }

    #[test]
    fn the_line_is_a_column_only_if_nothing_else_may_be_it() {
        let text = |name| (name, DataType::Utf8View);
        let number = ("partition", DataType::Int32);
        let is = |name: &str| Some(name.to_owned());
        assert_eq!(
            chosen(&[time(), number.clone(), text("message")], None),
            is("message")
        );
        assert_eq!(chosen(&[("raw", DataType::Binary)], None), is("raw"));
        assert_eq!(chosen(&[text("message"), text("host")], None), None);
        assert_eq!(
            chosen(&[text("message"), text("host")], Some("message")),
            is("message")
        );
        assert_eq!(chosen(&[text("host"), number], None), None);
        let nested = DataType::Struct(fields(&[text("a")]));
        assert_eq!(chosen(&[text("message"), ("meta", nested)], None), None);
    }

    #[test]
    fn a_column_that_does_not_fit_is_named() {
        let list = fields(&[("a", DataType::Int32), time()]);
        let error = |wanted: Wanted, needs| Choice::new(&list, None, &wanted, needs).unwrap_err();
        let wanted = |message: &str, time: &str| Wanted {
            message: (!message.is_empty()).then(|| message.to_owned()),
            columns: None,
            time: (!time.is_empty()).then(|| time.to_owned()),
        };
        assert!(error(wanted("a", ""), false).contains("\"a\" is Int32, not text"));
        assert!(error(wanted("b", ""), false).contains("no column \"b\""));
        assert!(error(wanted("", "b"), true).contains("no column \"b\""));
        let columns = Wanted {
            columns: Some(vec!["z".into()]),
            ..Wanted::default()
        };
        assert!(error(columns, false).contains("none of the columns"));
        let without = fields(&[("a", DataType::Int32)]);
        let error = Choice::new(&without, None, &Wanted::default(), true).unwrap_err();
        assert!(error.contains("--time-column"), "{error}");
    }
}
