//! Where alerts are written: what `--alerts` names, and the decision log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::Sender;
use overspill_connectors::sink::{FileSink, RecordSink};

use super::Word;
use super::journal::{Form, Writes};
use crate::decisions::DecisionSink;
use crate::wire::chain;

/// Begins the name of a topic.
const TOPIC: &str = "kafka://";
/// Name of the first file in checkpoints; another one is known by its path.
const FILE: &str = "file";

/// Opens all places: those of `--alerts` and the decision log, if there is to be one. `halt` is set when the job is
/// left where it stands.
pub(super) fn open(
    places: &[String],
    decisions: Option<&Path>,
    halt: &Arc<AtomicBool>,
    words: &Sender<Word>,
) -> Result<Vec<Writes>> {
    let alerts = open_alerts(places, halt)?.into_iter();
    let alerts = alerts.map(|sink| Writes {
        form: Form::Alert,
        sink,
    });
    let mut all: Vec<Writes> = alerts.collect();
    if let Some(dir) = decisions {
        let words = words.clone();
        let say = move |text| {
            let _no_room = words.try_send(Word::Trouble(text));
        };
        let sink =
            DecisionSink::open(dir, Arc::clone(halt), say).context("open the decision log")?;
        let sink = Box::new(sink);
        let form = Form::Decisions;
        all.push(Writes { form, sink });
    }
    Ok(all)
}

fn open_alerts(places: &[String], halt: &Arc<AtomicBool>) -> Result<Vec<Box<dyn RecordSink>>> {
    let mut sinks: Vec<Box<dyn RecordSink>> = Vec::new();
    for place in places {
        let sink = match place.strip_prefix(TOPIC) {
            Some(rest) => topic(rest, halt),
            None => {
                let is_first = sinks.iter().all(|sink| sink.name() != FILE);
                let name = if is_first {
                    FILE.to_owned()
                } else {
                    format!("{FILE}:{place}")
                };
                FileSink::open(&name, Path::new(place))
                    .map(|sink| Box::new(sink) as Box<dyn RecordSink>)
                    .map_err(|error| anyhow!(chain(&error)))
            }
        };
        let sink = sink.map_err(|error| error.context(format!("--alerts {place}")))?;
        if sinks.iter().any(|other| other.name() == sink.name()) {
            bail!("--alerts {place}: it is named twice");
        }
        sinks.push(sink);
    }
    Ok(sinks)
}

/// The first file among them.
pub(super) fn first_file(places: &[String]) -> Option<PathBuf> {
    let mut places = places.iter();
    places
        .find(|place| !place.starts_with(TOPIC))
        .map(PathBuf::from)
}

/// Checks what can be checked before the job begins.
pub fn check(places: &[String]) -> Result<()> {
    for place in places {
        if let Some(rest) = place.strip_prefix(TOPIC) {
            parse(rest).map_err(|error| error.context(format!("--alerts {place}")))?;
        }
    }
    Ok(())
}

/// `BROKER[,BROKER]/TOPIC[?writer=NAME]`.
#[derive(Debug, PartialEq, Eq)]
struct Topic {
    brokers: Vec<String>,
    topic: String,
    writer: String,
}

fn parse(text: &str) -> Result<Topic> {
    let form = "it is kafka://HOST:PORT[,HOST:PORT]/TOPIC[?writer=NAME]";
    let (brokers, rest) = text.split_once('/').ok_or_else(|| anyhow!(form))?;
    let (topic, query) = match rest.split_once('?') {
        Some((topic, query)) => (topic, Some(query)),
        None => (rest, None),
    };
    let writer = match query {
        None => format!("overspill-{topic}"),
        Some(query) => query
            .strip_prefix("writer=")
            .filter(|name| !name.is_empty() && !name.contains(['&', '=']))
            .ok_or_else(|| anyhow!(form))?
            .to_owned(),
    };
    let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let is_topic = !topic.is_empty() && topic.chars().all(is_letter);
    if !is_topic || brokers.iter().any(String::is_empty) {
        bail!(form);
    }
    Ok(Topic {
        brokers,
        topic: topic.to_owned(),
        writer,
    })
}

#[cfg(feature = "kafka")]
fn topic(text: &str, halt: &Arc<AtomicBool>) -> Result<Box<dyn RecordSink>> {
    use overspill_connectors::kafka::{TopicSink, TopicSinkConfig};
    let Topic {
        brokers,
        topic,
        writer,
    } = parse(text)?;
    let config = TopicSinkConfig {
        brokers,
        topic,
        writer,
    };
    let sink = TopicSink::new(config, Arc::clone(halt)).map_err(|error| anyhow!(chain(&error)))?;
    Ok(Box::new(sink))
}

#[cfg(not(feature = "kafka"))]
fn topic(text: &str, _halt: &Arc<AtomicBool>) -> Result<Box<dyn RecordSink>> {
    parse(text)?;
    bail!("this build has no Kafka: it was made without `--features kafka`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_with_its_brokers() {
        assert_eq!(
            parse("a:9092,b:9092/alerts").unwrap(),
            Topic {
                brokers: vec!["a:9092".to_owned(), "b:9092".to_owned()],
                topic: "alerts".to_owned(),
                writer: "overspill-alerts".to_owned(),
            }
        );
        assert_eq!(parse("a/alerts?writer=me").unwrap().writer, "me");
        for wrong in [
            "",
            "a",
            "a/",
            "/alerts",
            "a,/alerts",
            "a/al erts",
            "a/b/c",
            "a/t?writer=",
            "a/t?x=y",
            "a/t?writer=a&b=c",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
