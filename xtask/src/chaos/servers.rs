//! Servers that a run reads from, kept over runs: a broker of its own for each line of runs, for it is killed; one Kinesis
//! for all of them, behind a network of their own.

use anyhow::{Context, Result};
use std::net::SocketAddr;
use std::path::Path;

use super::broker::Broker;
use super::kinesis_local;
use super::plan::{Inputs, Plan};
use super::proxy::Proxy;

/// A Kinesis and the way to it.
#[derive(Debug)]
pub(crate) struct Kinesis {
    /// Where streams are filled.
    pub(crate) port: u16,
    pub(crate) proxy: Proxy,
}

/// What has been started so far.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    pub(crate) broker: Option<Broker>,
    pub(crate) kinesis: Option<Kinesis>,
}

impl Servers {
    /// Starts what a plan needs, below a directory. An error says what cannot be had.
    pub(crate) fn prepare(&mut self, plan: &Plan, dir: &Path) -> Result<()> {
        if plan.inputs.has_kafka() && self.broker.is_none() {
            let broker = Broker::start(&dir.join("broker")).context("no Kafka broker")?;
            self.broker = Some(broker);
        }
        if plan.inputs == Inputs::Kinesis && self.kinesis.is_none() {
            let server = kinesis_local::shared().context("no kinesis-local")?;
            let port = server.port;
            let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], port)))?;
            self.kinesis = Some(Kinesis { port, proxy });
        }
        Ok(())
    }

    /// The network between the job and what it reads.
    pub(crate) fn proxy(&self, inputs: Inputs) -> Option<&Proxy> {
        match inputs {
            Inputs::Kinesis => self.kinesis.as_ref().map(|kinesis| &kinesis.proxy),
            _ => self.broker.as_ref().map(|broker| &broker.proxy),
        }
    }
}
