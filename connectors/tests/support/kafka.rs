//! A real broker for tests: Apache Kafka in KRaft mode, one process, fetched as jars by Maven.
//!
//! Not a test by itself: whoever needs a broker takes this file in with `#[path]`. The jars come through whatever
//! mirror Maven is set up with, once, into the target directory. The broker is the child of a shell that kills it when the
//! test's process is gone, however that ended; [`Broker::kill`] does the same at once, so that what is not on
//! the disk is lost as in a crash.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each user of the file needs some of it"
)]

#[path = "kafka/doors.rs"]
mod doors;

use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

#[cfg(feature = "kafka-tls")]
pub use doors::certificates;
use doors::{CERTIFICATE, make_certificate};
pub use doors::{Doors, PASSWORD, USER};

/// Version of the broker.
const VERSION: &str = "4.1.1";
/// Id of its cluster: 16 bytes in base64.
const CLUSTER: &str = "b3ZlcnNwaWxsLXRlc3RzMQ";
/// Longest that a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// What Maven is asked for.
const POM: &str = include_str!("kafka/pom.xml");

const LOGGING: &str = include_str!("kafka/log4j2.properties");

/// Runs the broker, and kills it when it is told to or its own input ends. In the latter case nobody is there any
/// more who would clear up, so it does that too.
const SHELL: &str = r#"log=$1; shift
"$@" >>"$log" 2>&1 </dev/null & pid=$!
echo $pid
read -r word
kill -9 $pid
wait $pid
[ -n "$word" ] || rm -rf "$(dirname "$log")""#;

/// The broker that tests share, or `None` when there can be none. That is said; where tests have to be complete
/// (`CI`, `OVERSPILL_REQUIRE_BACKENDS`) it is a failure.
pub fn shared() -> Option<&'static Broker> {
    static SHARED: OnceLock<Result<Broker, String>> = OnceLock::new();
    told(SHARED.get_or_init(Broker::start).as_ref())
}

/// A broker that also listens where one has to say who one is.
pub fn guarded() -> Option<&'static Broker> {
    static GUARDED: OnceLock<Result<Broker, String>> = OnceLock::new();
    // First the shared one, so that jars are fetched once.
    shared()?;
    told(
        GUARDED
            .get_or_init(|| Broker::begin(Some(Doors::new()?)))
            .as_ref(),
    )
}

/// A broker of one's own, to be killed.
pub fn own() -> Option<Broker> {
    // First the shared one, so that jars are fetched once.
    shared()?;
    told(Broker::start())
}

fn told<T>(broker: Result<T, impl AsRef<str>>) -> Option<T> {
    match broker {
        Ok(broker) => Some(broker),
        Err(why) => {
            let why = why.as_ref();
            let is_required = ["CI", "OVERSPILL_REQUIRE_BACKENDS"]
                .into_iter()
                .any(|name| std::env::var_os(name).is_some());
            assert!(!is_required, "no Kafka broker: {why}");
            eprintln!("\n*** NOT TESTED: no Kafka broker: {why} ***\n");
            None
        }
    }
}

/// The directory of the jars.
fn jars() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = test.ancestors().nth(3).ok_or("no target directory")?;
    let cache = target
        .join("test-backends")
        .join(format!("kafka-{VERSION}"));
    let libs = cache.join("libs");
    if libs.is_dir() {
        return Ok(libs);
    }
    fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
    let dir = tempfile::tempdir_in(&cache).map_err(|error| error.to_string())?;
    fs::write(dir.path().join("pom.xml"), POM).map_err(|error| error.to_string())?;
    let fetched = dir.path().join("libs");
    let output = Command::new("mvn")
        .args([
            "-q",
            "-B",
            "dependency:copy-dependencies",
            "-DincludeScope=runtime",
        ])
        .arg(format!("-DoutputDirectory={}", fetched.display()))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn: {error}"))?;
    if !output.status.success() {
        return Err(format!("mvn: {}", String::from_utf8_lossy(&output.stdout)));
    }
    // Whoever is second finds it there, which is as good.
    let _there = fs::rename(&fetched, &libs);
    libs.is_dir()
        .then_some(libs)
        .ok_or_else(|| "mvn copied nothing".to_owned())
}

/// A running broker, or one that was killed.
pub struct Broker {
    dir: tempfile::TempDir,
    libs: PathBuf,
    port: u16,
    doors: Option<Doors>,
    running: Option<(Child, ChildStdin)>,
}

impl Broker {
    /// Starts a broker with an empty disk.
    ///
    /// # Errors
    /// Why there is none.
    pub fn start() -> Result<Self, String> {
        Self::begin(None)
    }

    fn begin(doors: Option<Doors>) -> Result<Self, String> {
        let libs = jars()?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (port, controller) = (free_port()?, free_port()?);
        let data = dir.path().join("data");
        let more = doors.as_ref().map(Doors::listeners).unwrap_or_default();
        let mut properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}\n\
             controller.listener.names=CONTROLLER\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,BOTH:SASL_SSL\n\
             inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\nnum.partitions=1\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             transaction.state.log.num.partitions=1\nshare.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\ngroup.initial.rebalance.delay.ms=0\n\
             auto.create.topics.enable=false\nlog.retention.check.interval.ms=1000\nlog.retention.ms=-1\n",
            data.display()
        );
        if let Some(doors) = &doors {
            make_certificate(dir.path())?;
            properties += &doors.properties(dir.path());
        }
        let write = |name: &str, text: &str| {
            fs::write(dir.path().join(name), text).map_err(|error| error.to_string())
        };
        write("server.properties", &properties)?;
        write("log4j2.properties", LOGGING)?;
        let mut broker = Self {
            dir,
            libs,
            port,
            doors,
            running: None,
        };
        let mut format = broker.java("kafka.tools.StorageTool");
        format
            .args(["format", "-t", CLUSTER, "-c"])
            .arg(broker.dir.path().join("server.properties"));
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            format
                .arg("--add-scram")
                .arg(format!("{mechanism}=[name={USER},password={PASSWORD}]"));
        }
        let formatted = format
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("java: {error}"))?;
        if !formatted.status.success() {
            return Err(format!(
                "format: {}",
                String::from_utf8_lossy(&formatted.stderr)
            ));
        }
        broker.restart()?;
        Ok(broker)
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        self.java_args(class, &mut command);
        command
    }

    fn java_args(&self, class: &str, command: &mut Command) {
        let logging = self.dir.path().join("log4j2.properties");
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
    }

    /// Starts it again, on the same data and port, and waits until it answers.
    ///
    /// # Errors
    /// What it wrote, if it does not.
    pub fn restart(&mut self) -> Result<(), String> {
        self.kill();
        let log = self.dir.path().join("broker.log");
        let mut command = Command::new("sh");
        command.args(["-c", SHELL, "sh"]).arg(&log).arg("java");
        self.java_args("kafka.Kafka", &mut command);
        let mut child = command
            .arg(self.dir.path().join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let stdin = child.stdin.take().ok_or("no input")?;
        let mut pid = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout)
            .read_line(&mut pid)
            .map_err(|error| error.to_string())?;
        self.running = Some((child, stdin));
        self.wait(&log)
    }

    fn wait(&self, log: &Path) -> Result<(), String> {
        let since = Instant::now();
        let admin: AdminClient<DefaultClientContext> =
            self.client().create().map_err(|error| error.to_string())?;
        while since.elapsed() < PATIENCE {
            let metadata = admin
                .inner()
                .fetch_metadata(None, Duration::from_millis(500));
            if metadata.is_ok_and(|metadata| !metadata.brokers().is_empty()) {
                return Ok(());
            }
        }
        let text = fs::read_to_string(log).unwrap_or_default();
        let tail = text.len().saturating_sub(2_000);
        Err(format!(
            "no answer in {PATIENCE:?}: {}",
            text.get(tail..).unwrap_or(&text)
        ))
    }

    /// Kills it, as a crash does.
    pub fn kill(&mut self) {
        if let Some((mut child, mut stdin)) = self.running.take() {
            writeln!(stdin, "now").expect("the shell listens");
            child.wait().expect("the shell ends with the broker");
        }
    }

    /// Changes a byte of a record on the disk, under the broker. The record has this in it, and its batch no longer the
    /// checksum that it says.
    pub fn damage(&self, topic: &str, partition: i32, text: &str) {
        let log = format!("data/{topic}-{partition}/{:020}.log", 0);
        let path = self.dir.path().join(log);
        let bytes = fs::read(&path).unwrap();
        let mut windows = bytes.windows(text.len());
        let at = windows
            .position(|window| window == text.as_bytes())
            .unwrap();
        let file = fs::File::options().write(true).open(path).unwrap();
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where one has to say who one is.
    pub fn doors(&self) -> &Doors {
        self.doors.as_ref().expect("it is a guarded one")
    }

    /// The certificate that it shows.
    pub fn certificate(&self) -> PathBuf {
        self.dir.path().join(CERTIFICATE)
    }

    /// Settings of a client.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().expect("an admin client")
    }

    /// Makes a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let (since, mut is_again) = (Instant::now(), false);
        loop {
            // A broker that gets no time answers late, or takes itself for one that is away.
            let why = match block_on(self.admin().create_topics([&topic], &options())) {
                Err(error) => error.to_string(),
                Ok(created) => match &created[0] {
                    Ok(_) => return,
                    Err((_, RDKafkaErrorCode::TopicAlreadyExists)) if is_again => return,
                    Err((_, error)) => error.to_string(),
                },
            };
            assert!(since.elapsed() < PATIENCE, "{name}: {why}");
            is_again = true;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Takes a topic away.
    pub fn delete_topic(&self, name: &str) {
        let deleted = block_on(self.admin().delete_topics(&[name], &options())).unwrap();
        deleted[0]
            .as_ref()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Gives a topic more partitions.
    pub fn add_partitions(&self, name: &str, in_all: usize) {
        let more = NewPartitions::new(name, in_all);
        let added = block_on(self.admin().create_partitions([&more], &options())).unwrap();
        added[0]
            .as_ref()
            .unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Deletes the records before an offset.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .unwrap();
        let deleted = block_on(self.admin().delete_records(&list, &options())).unwrap();
        deleted.elements()[0].error().unwrap();
    }

    /// Someone who sends records.
    pub fn sender(&self) -> Sender {
        Sender::new(&mut self.client())
    }

    /// Someone who sends them in transactions.
    pub fn transactional_sender(&self, name: &str) -> Sender {
        let sender = Sender::new(self.client().set("transactional.id", name));
        sender.producer.init_transactions(PATIENCE).unwrap();
        sender
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)))
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    Ok(address.port())
}

/// What became of records that were sent.
#[derive(Debug, Default)]
pub struct Deliveries {
    arrived: AtomicU64,
    failed: AtomicU64,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = match result {
            Ok(_) => &self.arrived,
            Err(_) => &self.failed,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends records.
pub struct Sender {
    pub producer: BaseProducer<Deliveries>,
}

impl Sender {
    fn new(config: &mut ClientConfig) -> Self {
        let config = config
            .set("linger.ms", "5")
            .set("message.timeout.ms", "60000");
        Self {
            producer: config.create_with_context(Deliveries::default()).unwrap(),
        }
    }

    /// Sends a record, which arrives by [`Self::flush`] at the latest.
    pub fn send(&self, topic: &str, partition: i32, value: &[u8]) {
        self.send_record(
            BaseRecord::to(topic)
                .partition(partition)
                .key("")
                .payload(value),
        );
    }

    /// Sends a record with all that it may have.
    pub fn send_with(
        &self,
        (topic, partition): (&str, i32),
        key: &str,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
        millis: i64,
    ) {
        let mut list = OwnedHeaders::new();
        for (key, value) in headers {
            let value = Some(*value);
            list = list.insert(Header { key, value });
        }
        let mut record = BaseRecord::to(topic).partition(partition).key(key);
        record = record.headers(list).timestamp(millis);
        if let Some(value) = value {
            record = record.payload(value);
        }
        self.send_record(record);
    }

    fn send_record(&self, mut record: BaseRecord<'_, str, [u8]>) {
        while let Err((error, unsent)) = self.producer.send(record) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            assert!(is_full, "{error}");
            self.producer.poll(Duration::from_millis(10));
            record = unsent;
        }
    }

    /// Waits until all that was sent has arrived.
    pub fn flush(&self) {
        self.producer.flush(PATIENCE).unwrap();
        let deliveries = self.producer.context();
        assert_eq!(deliveries.failed.load(Ordering::Relaxed), 0);
    }

    /// Sends lines and waits for them.
    pub fn send_lines(&self, topic: &str, partition: i32, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.send(topic, partition, line.as_bytes());
        }
        self.flush();
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
