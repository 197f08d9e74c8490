//! A topic of Kafka named in a flag: `kafka://HOST:PORT[,HOST:PORT]/TOPIC[?NAME=VALUE[&NAME=VALUE]]`.
//!
//! How brokers let one in stands in a file that the address names (`config=FILE`), so that no password is in a
//! command line, which everybody on a machine can read.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};

/// Begins an address.
const SCHEME: &str = "kafka://";
/// What an address looks like.
const FORM: &str = "it is kafka://HOST:PORT[,HOST:PORT]/TOPIC";
/// The option that names a file, for all addresses.
const CONFIG: &str = "config";

/// An address that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "what is read is only checked then")
)]
pub(super) struct Address {
    /// Brokers to begin with.
    pub(super) brokers: Vec<String>,
    pub(super) topic: String,
    /// The file that says how brokers let one in.
    config: Option<PathBuf>,
    /// Other options.
    options: Vec<(String, String)>,
}

impl Address {
    /// Reads an address; `None` when the text is something else than one. Options are `config` and those that are
    /// `known`.
    pub(super) fn parse(text: &str, known: &[&str]) -> Option<Result<Self>> {
        text.strip_prefix(SCHEME).map(|rest| parse(rest, known))
    }

    /// The value of an option.
    #[cfg_attr(
        not(feature = "kafka"),
        allow(dead_code, reason = "what is read is only checked then")
    )]
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        let mut options = self.options.iter();
        let (_, value) = options.find(|(other, _)| other == name)?;
        Some(value)
    }
}

fn parse(text: &str, known: &[&str]) -> Result<Address> {
    let (brokers, rest) = text.split_once('/').ok_or_else(|| anyhow!(FORM))?;
    let (topic, query) = match rest.split_once('?') {
        Some((topic, query)) => (topic, Some(query)),
        None => (rest, None),
    };
    let brokers: Vec<String> = brokers.split(',').map(str::to_owned).collect();
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let is_topic = !topic.is_empty() && topic.chars().all(is_letter);
    if !is_topic || brokers.iter().any(String::is_empty) {
        bail!(FORM);
    }
    let mut address = Address {
        brokers,
        topic: topic.to_owned(),
        config: None,
        options: Vec::new(),
    };
    for option in query.into_iter().flat_map(|query| query.split('&')) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if name != CONFIG && !known.contains(&name) {
            let names = [&[CONFIG], known].concat().join(", ");
            bail!("there is no option {name:?} after the question mark; there are: {names}");
        }
        if value.is_empty() {
            bail!("option {name}: it is {name}=VALUE");
        }
        if address.option(name).is_some() || (name == CONFIG && address.config.is_some()) {
            bail!("option {name}: it is there twice");
        }
        match name {
            CONFIG => address.config = Some(PathBuf::from(value)),
            _ => address.options.push((name.to_owned(), value.to_owned())),
        }
    }
    Ok(address)
}

#[cfg(feature = "kafka")]
impl Address {
    /// How brokers let one in.
    ///
    /// # Errors
    /// When the file that says so cannot be read, or something in it is wrong.
    pub(super) fn access(&self) -> Result<overspill_connectors::kafka::Access> {
        use overspill_connectors::acquis::topic_access;

        let Some(path) = &self.config else {
            return Ok(overspill_connectors::kafka::Access::default());
        };
        let documents = super::sources::documents(path)?;
        let file = path.display().to_string();
        let [document] = &documents[..] else {
            bail!("{file}: it is to be one document");
        };
        let (access, findings) = topic_access(document, &file);
        if !findings.is_empty() {
            let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
            bail!(texts.join("\n"));
        }
        Ok(access)
    }

    /// Checks what can be checked before it is used.
    ///
    /// # Errors
    /// As [`Self::access`].
    pub(super) fn check(&self) -> Result<()> {
        self.access().map(drop)
    }
}

#[cfg(not(feature = "kafka"))]
impl Address {
    /// There is no Kafka.
    ///
    /// # Errors
    /// Always.
    pub(super) fn check(&self) -> Result<()> {
        bail!("this build has no Kafka: it was made without `--features kafka`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address> {
        Address::parse(text, &["writer"]).unwrap()
    }

    #[test]
    fn a_topic_is_named_with_its_brokers_and_options() {
        let address = read("kafka://a:9092,b:9092/alerts?config=/etc/o/k.yaml&writer=me").unwrap();
        assert_eq!(address.brokers, ["a:9092", "b:9092"]);
        assert_eq!(address.topic, "alerts");
        assert_eq!(address.config, Some(PathBuf::from("/etc/o/k.yaml")));
        assert_eq!(address.option("writer"), Some("me"));
        assert_eq!(read("kafka://a/alerts").unwrap().option("writer"), None);
        assert!(Address::parse("alerts.jsonl", &[]).is_none());
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (wrong, why) in [
            ("", FORM),
            ("a", FORM),
            ("a/", FORM),
            ("/alerts", FORM),
            ("a,/alerts", FORM),
            ("a/al erts", FORM),
            ("a/b/c", FORM),
            ("a/t?writer=", "option writer: it is writer=VALUE"),
            ("a/t?writer", "option writer: it is writer=VALUE"),
            (
                "a/t?password=x",
                "there is no option \"password\" after the question mark; there are: config, writer",
            ),
            ("a/t?writer=a&writer=b", "option writer: it is there twice"),
            ("a/t?config=a&config=b", "option config: it is there twice"),
        ] {
            let error = read(&format!("kafka://{wrong}")).unwrap_err();
            assert_eq!(error.to_string(), why, "{wrong}");
        }
    }

    #[cfg(feature = "kafka")]
    #[test]
    fn a_file_of_options_is_read_strictly_and_shows_no_password() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.yaml");
        let address = read(&format!("kafka://a/t?config={}", path.display())).unwrap();
        assert!(address.check().is_err(), "it is not there");
        std::fs::write(&path, "sasl: { username: me, password: hush }\n").unwrap();
        let access = address.access().unwrap();
        assert_eq!(access.sasl.as_ref().unwrap().username, "me");
        assert!(!format!("{access:?}").contains("hush"));
        for (text, why) in [
            ("sasl: { username: me }\n", "key `sasl.password`: missing"),
            ("brokers: [a]\n", "key `brokers`: unknown key"),
            ("sasl: {}\n---\ntls: {}\n", "it is to be one document"),
            ("a: [\n", "k.yaml:"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = address.access().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
