//! Where alerts are written: what `--alerts` names, the decision log, and the API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::Sender;
use overspill_connectors::sink::{FileSink, RecordSink};

use super::journal::{Form, Writes};
use super::topic::Address;
use super::{Config, Word};
use crate::decisions::DecisionSink;
use crate::lapi::StoreSink;
use crate::wire::chain;

/// Name of the first file in checkpoints; another one is known by its path.
const FILE: &str = "file";
/// The option of a topic that names who writes.
const WRITER: &str = "writer";

/// Opens all places of a job: those of `--alerts`, the decision log and the API, where it has them. `halt` is set when
/// the job is left where it stands.
pub(super) fn open(
    config: &Config,
    halt: &Arc<AtomicBool>,
    words: &Sender<Word>,
) -> Result<Vec<Writes>> {
    let alerts = open_alerts(&config.alerts, halt)?.into_iter();
    let alerts = alerts.map(|sink| Writes {
        form: Form::Alert,
        sink,
    });
    let mut all: Vec<Writes> = alerts.collect();
    let say = || {
        let words = words.clone();
        move |text| {
            let _no_room = words.try_send(Word::Trouble(text));
        }
    };
    if let Some(dir) = &config.decisions {
        let sink =
            DecisionSink::open(dir, Arc::clone(halt), say()).context("open the decision log")?;
        let sink = Box::new(sink);
        let form = Form::Decisions;
        all.push(Writes { form, sink });
    }
    if let Some(api) = &config.api {
        let sink = StoreSink::open(api.store(), &config.node, Arc::clone(halt), say())?;
        let sink = Box::new(sink);
        let form = Form::Alert;
        all.push(Writes { form, sink });
    }
    Ok(all)
}

fn open_alerts(places: &[String], halt: &Arc<AtomicBool>) -> Result<Vec<Box<dyn RecordSink>>> {
    let mut sinks: Vec<Box<dyn RecordSink>> = Vec::new();
    for place in places {
        let sink = match Address::parse(place, &[WRITER]) {
            Some(address) => address.and_then(|address| topic(&address, halt)),
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
        let sink = sink.with_context(|| format!("--alerts {place}"))?;
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
        .find(|place| Address::parse(place, &[WRITER]).is_none())
        .map(PathBuf::from)
}

/// Checks what can be checked before the job begins.
pub fn check(places: &[String]) -> Result<()> {
    for place in places {
        if let Some(address) = Address::parse(place, &[WRITER]) {
            let checked = address.and_then(|address| address.check());
            checked.with_context(|| format!("--alerts {place}"))?;
        }
    }
    Ok(())
}

#[cfg(feature = "kafka")]
fn topic(address: &Address, halt: &Arc<AtomicBool>) -> Result<Box<dyn RecordSink>> {
    use overspill_connectors::kafka::{TopicSink, TopicSinkConfig};
    let topic = &address.topic;
    let writer = address.option(WRITER);
    let config = TopicSinkConfig {
        brokers: address.brokers.clone(),
        topic: topic.clone(),
        writer: writer.map_or_else(|| format!("overspill-{topic}"), str::to_owned),
        access: address.access()?,
    };
    let sink = TopicSink::new(config, Arc::clone(halt)).map_err(|error| anyhow!(chain(&error)))?;
    Ok(Box::new(sink))
}

#[cfg(not(feature = "kafka"))]
fn topic(address: &Address, _halt: &Arc<AtomicBool>) -> Result<Box<dyn RecordSink>> {
    address.check()?;
    bail!("{}: there is no Kafka", address.topic)
}
