//! Servers that speak as Amazon's do, and how tests ask them.

#[path = "../../tests/support/faults.rs"]
pub(crate) mod faults;
#[path = "../../tests/support/kinesis_local.rs"]
mod kinesis_local;
#[path = "../../tests/support/moto.rs"]
mod moto_server;

use std::future::Future;
use std::sync::OnceLock;

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use tokio::runtime::Runtime;

use super::Access;
use moto_server::server;

/// A server, and a thread's worth of waiting for it.
pub(crate) struct Place {
    pub(crate) access: Access,
    pub(crate) port: u16,
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new(address: String, port: u16) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = "[default]\naws_access_key_id = 123456789012\naws_secret_access_key = any\n";
        std::fs::write(dir.path().join("credentials"), text).unwrap();
        let access = Access {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(address),
            config_dir: Some(dir.path().to_owned()),
            ..Access::default()
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            access,
            port,
            runtime,
            _dir: dir,
        }
    }

    pub(crate) fn settings(&self) -> SdkConfig {
        self.wait(self.access.settings())
    }

    pub(crate) fn wait<F: Future>(&self, asked: F) -> F::Output {
        self.runtime.block_on(asked)
    }

    /// Puts lines into a log stream, a millisecond apart, as of now.
    pub(crate) fn put_logs(
        &self,
        logs: &aws_sdk_cloudwatchlogs::Client,
        (group, stream): (&str, &str),
        texts: &[String],
    ) {
        let now_ms = crate::source::system_clock()() / 1_000_000;
        let lines: Vec<(i64, &str)> = (now_ms..).zip(texts.iter().map(String::as_str)).collect();
        self.put_logs_at(logs, (group, stream), &lines);
    }

    /// Puts lines into a log stream, with times in milliseconds.
    pub(crate) fn put_logs_at(
        &self,
        logs: &aws_sdk_cloudwatchlogs::Client,
        (group, stream): (&str, &str),
        lines: &[(i64, &str)],
    ) {
        let event = |(ms, text): &(i64, &str)| {
            let event = InputLogEvent::builder().timestamp(*ms).message(*text);
            event.build().unwrap()
        };
        let events = lines.iter().map(event).collect();
        let put = logs.put_log_events().log_group_name(group);
        let put = put.log_stream_name(stream).set_log_events(Some(events));
        let put = self.wait(put.send()).unwrap();
        assert!(put.rejected_log_events_info.is_none(), "{put:?}");
    }
}

/// Moto, if it can be had.
pub(crate) fn moto() -> Option<&'static Place> {
    static PLACE: OnceLock<Place> = OnceLock::new();
    let server = moto_server::shared()?;
    Some(PLACE.get_or_init(|| Place::new(server.address(), server.port)))
}

/// kinesis-local, if it can be had.
pub(crate) fn local() -> Option<&'static Place> {
    static PLACE: OnceLock<Place> = OnceLock::new();
    let server = kinesis_local::shared()?;
    Some(PLACE.get_or_init(|| Place::new(server.address(), server.port)))
}
