//! What the job reads: files and topics of a run, and the acquisition that names them.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};

use super::broker::Broker;
use super::feed::{Place, now_ms};
use super::files::LogFile;
use super::plan::{Inputs, Plan};
use super::wire::Topic;

/// Where lines go, the files among them, and what the job is told of both.
pub(crate) type Wired = (Vec<Place>, Vec<Arc<Mutex<LogFile>>>, String);

/// Makes them.
pub(crate) fn inputs(plan: &Plan, dir: &Path, mut broker: Option<&mut Broker>) -> Result<Wired> {
    let (mut places, mut files, mut acquis) = (Vec::new(), Vec::new(), String::new());
    let sources = [("web", plan.web_partitions), ("ssh", plan.ssh_partitions)];
    for (source, n_partitions) in sources {
        let is_file = match plan.inputs {
            Inputs::Files => true,
            Inputs::Kafka => false,
            Inputs::Both => source == "web",
        };
        if is_file {
            let mut names = Vec::new();
            for at in 0..n_partitions {
                let path = dir.join(format!("logs/{source}-{at}.log"));
                names.push(path.display().to_string());
                let file = Arc::new(Mutex::new(LogFile::create(path)?));
                files.push(Arc::clone(&file));
                places.push(Place::File(file));
            }
            if plan.is_pattern_wide {
                names = vec![dir.join(format!("logs/{source}-*")).display().to_string()];
            }
            write!(
                acquis,
                "name: {source}\nfilenames: {names:?}\nstart: beginning\nlabels: {{ type: syslog }}\n---\n"
            )?;
            continue;
        }
        let broker = broker.as_deref_mut().context("there is no broker")?;
        broker.launch()?;
        // Topics of earlier runs stay.
        let topic = format!("{source}-{}-{}", plan.seed, now_ms());
        broker.create_topics(&[(topic.clone(), n_partitions as usize)])?;
        for at in 0..n_partitions {
            places.push(Place::Topic(Topic::new(broker.door(), &topic, at as i32)));
        }
        let port = broker.proxy.port();
        write!(
            acquis,
            "source: kafka\nname: {source}\nbrokers: ['127.0.0.1:{port}']\ntopic: {topic}\n\
             start: oldest\nlabels: {{ type: syslog }}\n---\n"
        )?;
    }
    Ok((places, files, acquis.trim_end_matches("---\n").to_owned()))
}
