//! Brokers that want to know who one is.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::kafka::{TopicSink, TopicSinkConfig};
use crate::sink::{From, Record, RecordSink, SinkError};
use broker::{PASSWORD, USER};

fn sasl(mechanism: &str, password: &str) -> Option<Sasl> {
    Some(Sasl {
        mechanism: mechanism.to_owned(),
        username: USER.to_owned(),
        password: Secret::new(password),
    })
}

fn sink(port: u16, topic: &str, access: Access) -> TopicSink {
    let config = TopicSinkConfig {
        brokers: vec![format!("127.0.0.1:{port}")],
        topic: topic.to_owned(),
        writer: format!("writer of {topic}"),
        access,
    };
    TopicSink::new(config, Arc::new(AtomicBool::new(false))).unwrap()
}

/// Writes a record and reads it again, through the same door.
fn there_and_back(broker: &Broker, port: u16, topic: &str, access: &Access) {
    broker.create_topic(topic, 1);
    let mut writer = sink(port, topic, access.clone());
    writer.recover(&From::Beginning, &mut |_| ()).unwrap();
    let record = Record {
        key: "k".to_owned(),
        line: format!("line of {topic}").into_bytes(),
    };
    writer.write(&[record]).unwrap();
    assert_eq!(writer.place().unwrap().len(), 1);
    // Another writer reads what is there with a client of its own.
    let mut lines = Vec::new();
    let mut second = sink(port, topic, access.clone());
    second
        .recover(&From::Beginning, &mut |line| lines.push(line.to_vec()))
        .unwrap();
    assert_eq!(lines, [format!("line of {topic}").into_bytes()]);
    let mut config = config(broker, topic);
    config.brokers = vec![format!("127.0.0.1:{port}")];
    config.access = access.clone();
    let mut outlet = Checked::default();
    outlet.until_lines(&mut open(&config, Resume::First), 1);
    assert_eq!(outlet.texts(), [format!("line of {topic}")]);
}

/// What is said when one is not let in. It is said at once: a test that waits for a minute would not end in time.
fn turned_away(port: u16, access: Access) -> String {
    let mut writer = sink(port, "not-ours", access);
    let error = writer.recover(&From::Beginning, &mut |_| ()).unwrap_err();
    assert!(matches!(error, SinkError::Topic { .. }), "{error}");
    error.to_string()
}

#[test]
fn a_name_and_a_password_let_one_write_and_read_and_a_wrong_one_is_said() {
    let Some(broker) = broker::guarded() else {
        return;
    };
    let port = broker.doors().sasl;
    let access = |password: &str| Access {
        tls: None,
        sasl: sasl("PLAIN", password),
    };
    there_and_back(broker, port, "plain", &access(PASSWORD));
    let said = turned_away(port, access("open barley"));
    assert!(said.contains("uthentication fail"), "{said}");
    assert!(!said.contains("barley"), "{said}");
}

#[cfg(feature = "kafka-tls")]
mod tls {
    use super::*;

    fn ca(broker: &Broker) -> Tls {
        Tls {
            ca_cert: Some(broker.certificate()),
            client_cert: None,
            client_key: None,
            is_verified: true,
        }
    }

    #[test]
    fn scram_lets_one_write_and_read() {
        let Some(broker) = broker::guarded() else {
            return;
        };
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let access = Access {
                tls: None,
                sasl: sasl(mechanism, PASSWORD),
            };
            there_and_back(broker, broker.doors().sasl, mechanism, &access);
        }
    }

    #[test]
    fn a_password_goes_over_tls_and_only_to_a_broker_that_is_trusted() {
        let Some(broker) = broker::guarded() else {
            return;
        };
        let port = broker.doors().both;
        let access = |tls: Tls| Access {
            tls: Some(tls),
            sasl: sasl("SCRAM-SHA-512", PASSWORD),
        };
        there_and_back(broker, port, "over-tls", &access(ca(broker)));
        let of_others = Tls {
            ca_cert: Some(broker::certificates().join("ca.pem")),
            ..ca(broker)
        };
        let said = turned_away(port, access(of_others.clone()));
        assert!(said.contains("certificate verify failed"), "{said}");
        let unchecked = Tls {
            is_verified: false,
            ..of_others
        };
        there_and_back(broker, port, "unchecked", &access(unchecked));
    }

    #[test]
    fn a_certificate_says_who_one_is() {
        let Some(broker) = broker::guarded() else {
            return;
        };
        let port = broker.doors().tls;
        let file = |name: &str| Some(broker::certificates().join(name));
        let ours = Tls {
            client_cert: file("client.pem"),
            client_key: file("client.key"),
            ..ca(broker)
        };
        let access = |tls: Tls| Access {
            tls: Some(tls),
            sasl: None,
        };
        there_and_back(broker, port, "certificate", &access(ours));
        let said = turned_away(port, access(ca(broker)));
        assert!(
            said.contains("SSL") || said.contains("certificate"),
            "{said}"
        );
    }
}
