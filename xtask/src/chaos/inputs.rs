//! What the job reads: files, topics and streams of a run, and the acquisitions that name them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

use super::feed::{Place, now_ms};
use super::files::LogFile;
use super::kinesis::Stream;
use super::plan::{Inputs, Plan};
use super::servers::Servers;
use super::wire::Topic;

/// Where lines go, and what the job is told of it.
#[derive(Debug, Default)]
pub(crate) struct Wired {
    /// One for each partition.
    pub(crate) places: Vec<Place>,
    /// The files among them.
    pub(crate) files: Vec<Arc<Mutex<LogFile>>>,
    /// Acquisitions, of each machine if there are several.
    pub(crate) acquis: Vec<String>,
    /// Topics that were made.
    pub(crate) topics: Vec<String>,
    /// Where the job can be told to reload, and what it is told of that.
    pub(crate) orders: Option<(Topic, String)>,
    /// The stream that was made.
    pub(crate) stream: Option<Stream>,
}

/// Makes them.
pub(crate) fn inputs(plan: &Plan, dir: &Path, servers: &mut Servers) -> Result<Wired> {
    let n_acquis = plan.n_machines.unwrap_or(1) as usize;
    let mut wired = Wired {
        acquis: vec![String::new(); n_acquis],
        ..Wired::default()
    };
    if plan.inputs == Inputs::Kinesis {
        stream(plan, servers, &mut wired)?;
        return Ok(wired);
    }
    if plan.inputs.has_kafka() {
        orders(plan, servers, &mut wired)?;
    }
    let sources = [("web", plan.web_partitions), ("ssh", plan.ssh_partitions)];
    for (at, (source, n_partitions)) in sources.into_iter().enumerate() {
        let is_file = match plan.inputs {
            Inputs::Both => source == "web",
            inputs => inputs.has_files(),
        };
        let machine = at % n_acquis;
        let text = if is_file {
            files(plan, dir, (source, n_partitions), &mut wired)?
        } else {
            topic(plan, servers, (source, n_partitions), &mut wired)?
        };
        if let Some(acquis) = wired.acquis.get_mut(machine) {
            if !acquis.is_empty() {
                acquis.push_str("---\n");
            }
            acquis.push_str(&text);
        }
    }
    Ok(wired)
}

fn files(
    plan: &Plan,
    dir: &Path,
    (source, n_partitions): (&str, u64),
    wired: &mut Wired,
) -> Result<String> {
    let mut names = Vec::new();
    for at in 0..n_partitions {
        let path = dir.join(format!("logs/{source}-{at}.log"));
        names.push(path.display().to_string());
        let file = Arc::new(Mutex::new(LogFile::create(path)?));
        wired.files.push(Arc::clone(&file));
        wired.places.push(Place::File(file));
    }
    if plan.is_pattern_wide {
        names = vec![dir.join(format!("logs/{source}-*")).display().to_string()];
    }
    Ok(format!(
        "name: {source}\nfilenames: {names:?}\nstart: beginning\nlabels: {{ type: syslog }}\n"
    ))
}

fn topic(
    plan: &Plan,
    servers: &mut Servers,
    (source, n_partitions): (&str, u64),
    wired: &mut Wired,
) -> Result<String> {
    let broker = servers.broker.as_mut().context("there is no broker")?;
    broker.launch()?;
    // Another one for each run of a seed.
    let topic = format!("{source}-{}-{}", plan.seed, now_ms());
    broker.create_topics(&[(topic.clone(), n_partitions as usize)])?;
    wired.topics.push(topic.clone());
    for at in 0..n_partitions {
        let place = Topic::new(broker.door(), &topic, at as i32);
        wired.places.push(Place::Topic(place));
    }
    let port = broker.proxy.port();
    Ok(format!(
        "source: kafka\nname: {source}\nbrokers: ['127.0.0.1:{port}']\ntopic: {topic}\n\
         start: oldest\nlabels: {{ type: syslog }}\n"
    ))
}

/// A topic that a record in makes the job reload.
fn orders(plan: &Plan, servers: &mut Servers, wired: &mut Wired) -> Result<()> {
    let broker = servers.broker.as_mut().context("there is no broker")?;
    broker.launch()?;
    let topic = format!("orders-{}-{}", plan.seed, now_ms());
    broker.create_topics(&[(topic.clone(), 1)])?;
    let address = format!("kafka://127.0.0.1:{}/{topic}", broker.proxy.port());
    wired.orders = Some((Topic::new(broker.door(), &topic, 0), address));
    wired.topics.push(topic);
    Ok(())
}

/// One stream of both kinds of lines: what they are stands in them.
fn stream(plan: &Plan, servers: &Servers, wired: &mut Wired) -> Result<()> {
    let server = servers.kinesis.as_ref().context("there is no Kinesis")?;
    let n_partitions = plan.n_partitions() as u64;
    let name = format!("chaos-{}-{}", plan.seed, now_ms());
    let stream = Stream::create(server.port, name, n_partitions)?;
    for _ in 0..n_partitions {
        wired.places.push(Place::Stream(stream.clone()));
    }
    wired.acquis = vec![format!(
        "source: kinesis\nname: stream\nstream_name: {}\naws_region: us-east-1\n\
         aws_endpoint: http://127.0.0.1:{}\nstart: oldest\npoll_interval: 200ms\n\
         refresh_interval: 1s\nlabels: {{ type: syslog }}\n",
        stream.name(),
        server.proxy.port()
    )];
    wired.stream = Some(stream);
    Ok(())
}
