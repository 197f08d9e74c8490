//! `source: syslog`.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use overspill_event::Origin;

use super::table::Table;
use super::{AcquisitionKind, Surroundings};
use crate::syslog::{MESSAGE_BYTES_MAX, StreamConfig, SyslogConfig, TlsConfig};
use crate::wal::{Fsync, WalConfig};

/// Longest message that can be asked for.
const MESSAGE_BYTES_MOST: u64 = 16 << 20;
/// Most connections that can be asked for.
const CONNECTIONS_MOST: u64 = 65_536;
/// Smallest log.
const LOG_BYTES_LEAST: u64 = 1 << 20;

/// Reads what is left of a document; answers what identifies the source, and the source.
pub(super) fn read(
    table: &mut Table<'_>,
    surroundings: &Surroundings<'_>,
    origin: Origin,
    mode: &str,
) -> Option<(Vec<String>, AcquisitionKind)> {
    if !matches!(mode, "tail" | "server") {
        table.refuse_key("mode", &format!("a listener cannot {mode}"));
    }
    let host = table.text("listen_addr");
    let host = host.as_deref().unwrap_or("127.0.0.1");
    let address: Option<IpAddr> = host.parse().ok();
    if address.is_none() {
        table.refuse_key("listen_addr", &format!("{host:?} is no address"));
    }
    let port = table.number("listen_port", 65_535).unwrap_or(514);
    let port = u16::try_from(port).unwrap_or(514);
    let protocol = table.text("protocol").unwrap_or_default();
    let protocol = protocol.to_ascii_lowercase();
    let message_bytes_max = table
        .number("max_message_len", MESSAGE_BYTES_MOST)
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(MESSAGE_BYTES_MAX);
    let is_parsed = !table.flag("disable_rfc_parser").unwrap_or(false);
    let tls = table.child("tls", tls);
    let has_tls = tls.is_some() || table.has("tls");
    let wal = table.child("wal", |table| Some(wal(table)));
    let connections_max = table.number("connections_max", CONNECTIONS_MOST);
    let idle_timeout = table.duration("idle_timeout");

    let address = SocketAddr::new(address?, port);
    let identity = vec!["syslog".to_owned(), protocol.clone(), address.to_string()];
    let config = SyslogConfig {
        message_bytes_max,
        is_parsed,
        ..SyslogConfig::new("", address, origin)
    };
    match protocol.as_str() {
        "" | "udp" => {
            for key in ["tls", "wal", "connections_max", "idle_timeout"] {
                if table.has(key) {
                    table.refuse_key(key, "only for protocol tcp and tls");
                }
            }
            return Some((identity, AcquisitionKind::Datagrams(config)));
        }
        "tcp" if has_tls => table.refuse_key("tls", "only for protocol tls"),
        "tcp" => table.warn_key("protocol", "crowdsec ignores this and listens on udp"),
        "tls" if tls.is_none() => table.refuse_key("tls", "needs server_cert and server_key"),
        "tls" => {}
        _ => {
            let message = format!("{protocol:?} is none of udp, tcp and tls");
            table.refuse_key("protocol", &message);
            return None;
        }
    }
    let mut stream = StreamConfig::new(surroundings.state_dir.to_owned());
    if let Some(wal) = wal {
        stream.wal = wal;
    }
    stream.tls = tls;
    stream.connections_max = connections_max
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or(stream.connections_max);
    stream.idle_timeout = idle_timeout.unwrap_or(stream.idle_timeout);
    Some((identity, AcquisitionKind::Streams(config, Box::new(stream))))
}

/// Named as CrowdSec's `http` source names them.
fn tls(table: &mut Table<'_>) -> Option<TlsConfig> {
    let server_cert = table.text("server_cert");
    let server_key = table.text("server_key");
    let ca_cert = table.text("ca_cert").map(PathBuf::from);
    Some(TlsConfig {
        server_cert: server_cert?.into(),
        server_key: server_key?.into(),
        ca_cert,
    })
}

/// A log without a path of its own lies in the directory of states.
fn wal(table: &mut Table<'_>) -> WalConfig {
    let path = table.text("path").unwrap_or_default();
    let mut wal = WalConfig::new(path.into());
    if let Some(bytes_max) = table.number("max_bytes", 1 << 50) {
        if bytes_max < LOG_BYTES_LEAST {
            table.refuse_key("max_bytes", &format!("less than {LOG_BYTES_LEAST}"));
        }
        wal.bytes_max = bytes_max;
        // Several segments, or nothing could be deleted before all is.
        wal.segment_bytes = wal.segment_bytes.min(bytes_max / 8);
    }
    match table.text("fsync").as_deref() {
        None => {}
        Some("always") => wal.fsync = Fsync::Always,
        Some("never") => wal.fsync = Fsync::Never,
        Some(_) => {
            if let Some(every) = table.duration("fsync") {
                wal.fsync = Fsync::Every(every);
            }
        }
    }
    wal
}
