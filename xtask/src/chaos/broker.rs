//! A broker that can be killed: Apache Kafka, one process, its jars fetched by Maven as for the tests of the source.
//!
//! It has two doors: one for who writes the log, and one whose address, told to clients, is that of the proxy.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::job::bound_to_us;
use super::proxy::Proxy;
use super::wire::Client;
use crate::command::target_dir;

/// As in [`POM`]: the tests of the source keep jars under the same name.
const VERSION: &str = "4.1.1";
const POM: &str = include_str!("../../../connectors/tests/support/kafka/pom.xml");
const LOGGING: &str = include_str!("../../../connectors/tests/support/kafka/log4j2.properties");
/// Id of the cluster: 16 bytes in base64.
const CLUSTER: &str = "b3ZlcnNwaWxsLWNoYW9zMQ";
/// Longest that a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A broker and the way to it.
#[derive(Debug)]
pub(crate) struct Broker {
    dir: PathBuf,
    libs: PathBuf,
    door: SocketAddr,
    pub(crate) proxy: Proxy,
    running: Option<Child>,
}

impl Broker {
    /// Starts a broker with an empty disk.
    pub(crate) fn start(dir: &Path) -> Result<Self> {
        let libs = jars()?;
        let _there = fs::remove_dir_all(dir);
        fs::create_dir_all(dir)?;
        let ([door, proxied, controller], proxy) = {
            let listeners = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0"));
            let mut addresses = [SocketAddr::from(([127, 0, 0, 1], 0)); 3];
            for (address, listener) in addresses.iter_mut().zip(listeners) {
                *address = listener.context("find a free port")?.local_addr()?;
            }
            (addresses, Proxy::start(addresses[1])?)
        };
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@{controller}\n\
             listeners=DOOR://{door},PROXIED://{proxied},CONTROLLER://{controller}\n\
             advertised.listeners=DOOR://{door},PROXIED://127.0.0.1:{}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=DOOR\n\
             listener.security.protocol.map=DOOR:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             log.dirs={}\noffsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\nshare.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\nlog.retention.ms=-1\n\
             broker.session.timeout.ms=1500\nbroker.heartbeat.interval.ms=300\n",
            proxy.port(),
            dir.join("data").display()
        );
        fs::write(dir.join("server.properties"), text)?;
        fs::write(dir.join("log4j2.properties"), LOGGING)?;
        let mut broker = Self {
            dir: dir.to_owned(),
            libs,
            door,
            proxy,
            running: None,
        };
        let output = broker
            .java("kafka.tools.StorageTool")
            .args(["format", "-t", CLUSTER, "-c"])
            .arg(dir.join("server.properties"))
            .stdin(Stdio::null())
            .output()
            .context("run java")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("the broker's disk cannot be made: {said}");
        }
        broker.launch()?;
        Ok(broker)
    }

    fn java(&self, class: &str) -> Command {
        let mut command = bound_to_us("java");
        let logging = self.dir.join("log4j2.properties");
        command
            .args([
                "-Xms128m",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
            ])
            .arg(format!("-Dlog4j2.configurationFile={}", logging.display()))
            .arg("-cp")
            .arg(format!("{}/*", self.libs.display()))
            .arg(class);
        command
    }

    /// Starts it, if it is not running, and does not wait for it.
    pub(crate) fn launch(&mut self) -> Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("broker.log"))?;
        let child = self
            .java("kafka.Kafka")
            .arg(self.dir.join("server.properties"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("run java")?;
        self.running = Some(child);
        Ok(())
    }

    /// Kills it, as a crash does. Answers whether it ran.
    pub(crate) fn kill(&mut self) -> Result<bool> {
        let Some(mut child) = self.running.take() else {
            return Ok(false);
        };
        child.kill()?;
        child.wait()?;
        Ok(true)
    }

    /// Makes topics, which tells that it answers.
    pub(crate) fn create_topics(&self, topics: &[(String, usize)]) -> Result<()> {
        let mut client = Client::new(self.door);
        for (name, n_partitions) in topics {
            let until = Instant::now() + PATIENCE;
            while let Err(error) = client.create_topic(name, *n_partitions as i32) {
                if Instant::now() > until {
                    return Err(error.context("the broker does not answer"));
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }

    /// Deletes topics that are needed no more.
    pub(crate) fn delete_topics(&self, topics: &[String]) -> Result<()> {
        Client::new(self.door).delete_topics(topics)
    }

    /// Where the log is written.
    pub(crate) fn door(&self) -> SocketAddr {
        self.door
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ended = self.kill();
    }
}

/// The directory of the jars.
fn jars() -> Result<PathBuf> {
    let cache = target_dir()
        .join("test-backends")
        .join(format!("kafka-{VERSION}"));
    let libs = cache.join("libs");
    if libs.is_dir() {
        return Ok(libs);
    }
    let dir = cache.join(format!("fetch-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    fs::write(dir.join("pom.xml"), POM)?;
    let fetched = dir.join("libs");
    let output = Command::new("mvn")
        .args([
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
        ])
        .arg(format!("-DoutputDirectory={}", fetched.display()))
        .current_dir(&dir)
        .stdin(Stdio::null())
        .output()
        .context("run mvn")?;
    if !output.status.success() {
        bail!("mvn: {}", String::from_utf8_lossy(&output.stdout));
    }
    // Whoever is second finds it there, which is as good.
    let _there = fs::rename(&fetched, &libs);
    let _left = fs::remove_dir_all(&dir);
    if libs.is_dir() {
        return Ok(libs);
    }
    bail!("mvn copied nothing")
}
