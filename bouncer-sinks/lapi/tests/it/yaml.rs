//! The files of steps as JSON values.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// Reads the first document. Every mapping, list and scalar of JSON is one of YAML.
pub(crate) fn read(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.unwrap().0);
    loop {
        let event = events.next().expect("a document");
        match event {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return value(event, &mut events),
        }
    }
}

fn value<'a>(event: Event<'a>, events: &mut impl Iterator<Item = Event<'a>>) -> Value {
    match event {
        Event::Scalar(text, style, ..) => scalar(&text, style),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().expect("the end of a list") {
                    Event::SequenceEnd => return Value::Array(items),
                    event => items.push(value(event, events)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Map::new();
            loop {
                let key = match events.next().expect("the end of a map") {
                    Event::MappingEnd => return Value::Object(members),
                    Event::Scalar(text, ..) => text.into_owned(),
                    other => panic!("a key is a text, not {other:?}"),
                };
                let event = events.next().expect("a value");
                members.insert(key, value(event, events));
            }
        }
        other => panic!("{other:?} is not used in steps"),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "null" | "~" | "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::from(number),
            (Err(_), Ok(number)) if number.is_finite() => Value::from(number),
            _ => Value::from(text),
        },
    }
}
