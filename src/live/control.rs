//! A topic on which a job is told what to do: `--control kafka://...`.
//!
//! A record is a JSON object. There is one order:
//!
//! ```json
//! {"reload": true, "digest": "<64 hexadecimal digits>"}
//! ```
//!
//! It means what a hangup does; with a digest (which need not be there) content is taken only if that is its
//! fingerprint, so that who sends the order need not know whether the files have arrived everywhere. Every process of a job
//! reads the topic by itself. What was written before a process began is not for it.
//!
//! Whoever can write to the topic can make a job compile what is on its disk, and nothing else: no content and no path
//! comes out of a record.

use anyhow::{Result, bail};

use super::reload::Digest;
use super::topic::Address;

/// Most that is shown of a record.
const SHOWN_MAX: usize = 200;

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The content that is wanted; whatever there is without it.
    pub digest: Option<Digest>,
}

/// Checks what can be checked before a job begins.
///
/// # Errors
/// When the address is none, or its file of options is wrong.
pub fn check(address: &str) -> Result<()> {
    parse(address)?.check()
}

fn parse(address: &str) -> Result<Address> {
    match Address::parse(address, &[]) {
        Some(address) => address,
        None => bail!("it is kafka://HOST:PORT[,HOST:PORT]/TOPIC"),
    }
}

/// Reads an order.
///
/// # Errors
/// Why it is none.
fn read(record: &[u8]) -> Result<Order> {
    let value: serde_json::Value = serde_json::from_slice(record)?;
    let Some(members) = value.as_object() else {
        bail!("it is no object");
    };
    if let Some(key) = members
        .keys()
        .find(|key| !["reload", "digest"].contains(&key.as_str()))
    {
        bail!("unknown member {key:?}");
    }
    if members.get("reload") != Some(&serde_json::Value::Bool(true)) {
        bail!("`reload` is to be true");
    }
    let Some(digest) = members.get("digest") else {
        return Ok(Order { digest: None });
    };
    match digest.as_str().and_then(digest_of) {
        Some(digest) => Ok(Order {
            digest: Some(digest),
        }),
        None => bail!("`digest` is to be 64 hexadecimal digits"),
    }
}

/// A fingerprint as it is shown.
#[must_use]
pub fn shown(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest_of(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2)?;
        // A sign would be taken for a digit.
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(digest)
}

/// Records that are no orders. The first is told, and then whenever there are twice as many.
#[derive(Debug, Default)]
struct Unknown(u64);

impl Unknown {
    /// One more; answers what is to be said.
    fn add(&mut self, record: &[u8], why: &anyhow::Error) -> Option<String> {
        self.0 += 1;
        self.0.is_power_of_two().then(|| {
            let start = record.get(..SHOWN_MAX).unwrap_or(record);
            let text = String::from_utf8_lossy(start);
            let n = self.0;
            format!("control: {text:?} is no order: {why} ({n} such records)")
        })
    }
}

#[cfg(feature = "kafka")]
pub use following::follow;

/// There is no Kafka.
///
/// # Errors
/// Always.
#[cfg(not(feature = "kafka"))]
pub fn follow(
    address: &str,
    _stop: &std::sync::Arc<std::sync::atomic::AtomicBool>,
    _order: impl FnMut(Order) + Send + 'static,
    _say: impl FnMut(&str) + Send + 'static,
) -> Result<()> {
    let _unused = (read, Unknown::add);
    parse(address)?.check()
}

#[cfg(feature = "kafka")]
mod following {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use anyhow::{Context, Result, anyhow};
    use overspill_connectors::Retry;
    use overspill_connectors::kafka::Newest;
    use overspill_connectors::source::Backoff;

    use super::{Order, Unknown, parse, read};
    use crate::wire::chain;

    /// How long one look may take; a job that stops waits no longer.
    const LOOK: Duration = Duration::from_millis(200);
    /// Name of the thread, and of the source.
    const ID: &str = "control";

    /// Follows a topic from its end on, on a thread of its own, until the job is stopped. `order` is given orders, `say` what
    /// is wrong. Brokers that are away are waited for.
    ///
    /// # Errors
    /// When the address or its options are wrong, or no thread can be started.
    pub fn follow(
        address: &str,
        stop: &Arc<AtomicBool>,
        mut order: impl FnMut(Order) + Send + 'static,
        mut say: impl FnMut(&str) + Send + 'static,
    ) -> Result<()> {
        let address = parse(address)?;
        let access = address.access()?;
        let mut topic = Newest::new(ID, address.brokers, &address.topic, access)
            .map_err(|error| anyhow!(chain(&error)))?;
        let stop = Arc::clone(stop);
        let work = move || {
            let (mut unknown, mut backoff) = (Unknown::default(), Backoff::default());
            let mut has_begun = false;
            while !stop.load(Ordering::SeqCst) {
                let polled = topic.poll(LOOK, &mut |record| match read(record) {
                    Ok(read) => order(read),
                    Err(why) => unknown.add(record, &why).iter().for_each(|text| say(text)),
                });
                match polled {
                    Ok(()) => backoff.reset(),
                    Err(error) => {
                        say(&format!("control: {}", chain(&error)));
                        if error.retry() == Retry::Never {
                            break;
                        }
                        std::thread::sleep(backoff.pause());
                    }
                }
                if topic.has_begun() && !std::mem::replace(&mut has_begun, true) {
                    say("control: listening");
                }
                for sample in topic.counters().take_samples() {
                    say(&format!("control: {}", sample.text));
                }
            }
        };
        std::thread::Builder::new()
            .name(ID.to_owned())
            .spawn(work)
            .context("start a thread")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_strictly() {
        let hex = "0123456789abcdefABCDEF0123456789".repeat(2);
        let order = read(format!(r#"{{"reload": true, "digest": "{hex}"}}"#).as_bytes()).unwrap();
        assert_eq!(shown(&order.digest.unwrap()), hex.to_ascii_lowercase());
        let plain = read(br#" {"reload":true} "#).unwrap();
        assert_eq!(plain, Order { digest: None });
        let signs = "+1".repeat(32);
        for (record, why) in [
            ("", "EOF while parsing"),
            ("reload", "expected value"),
            ("[1]", "no object"),
            ("{}", "`reload` is to be true"),
            (r#"{"reload": "true"}"#, "`reload` is to be true"),
            (r#"{"reload": false}"#, "`reload` is to be true"),
            (
                r#"{"reload": true, "path": "/x"}"#,
                "unknown member \"path\"",
            ),
            (
                r#"{"reload": true, "digest": "12"}"#,
                "64 hexadecimal digits",
            ),
            (
                r#"{"reload": true, "digest": null}"#,
                "64 hexadecimal digits",
            ),
            (
                &format!(r#"{{"reload": true, "digest": "{signs}"}}"#),
                "64 hexadecimal digits",
            ),
        ] {
            let error = read(record.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{record}: {error}");
        }
    }

    #[test]
    fn records_that_are_no_orders_are_counted_and_told_ever_more_rarely() {
        let mut unknown = Unknown::default();
        let why = anyhow::anyhow!("it is odd");
        let long = vec![b'x'; 1 << 16];
        let said: Vec<String> = (0..1_000)
            .filter_map(|_| unknown.add(&long, &why))
            .collect();
        assert_eq!(unknown.0, 1_000);
        assert_eq!(said.len(), 10);
        assert!(
            said[9].ends_with("it is odd (512 such records)"),
            "{}",
            said[9]
        );
        assert!(said[9].len() < 300);
    }
}
