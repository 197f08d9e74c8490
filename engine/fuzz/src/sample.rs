//! A small event with something in every corner.

use std::sync::Arc;

use overspill_event::{Event, FieldMap, Origin, Position, Schema, TextField, Tree};
use overspill_golike::time::Time;

/// The present moment of all targets: 2026-03-04T05:06:07Z.
pub const NOW: Time = Time {
    secs: 1_772_600_767,
    nanos: 0,
    offset_secs: 0,
};

/// Name of the fields that hold the bytes of the input.
pub const PROBE: &str = "probe";

/// An event whose raw line and whose fields called [`PROBE`] are `probe`.
#[must_use]
pub fn event(schema: &Arc<Schema>, probe: &[u8]) -> Event {
    let mut event = Event::new(Arc::clone(schema));
    let origin = Origin {
        src: "/var/log/auth.log".to_owned(),
        module: "file".to_owned(),
        labels: vec![("type".to_owned(), "syslog".to_owned())],
    };
    event.begin_line(&origin, probe, Position::default());
    event.time = NOW;
    let fields: [(FieldMap, &[u8], &[u8]); 9] = [
        (FieldMap::Parsed, PROBE.as_bytes(), probe),
        (FieldMap::Meta, PROBE.as_bytes(), probe),
        (FieldMap::Parsed, b"program", b"sshd"),
        (FieldMap::Parsed, b"message", b"Failed password for Root"),
        (FieldMap::Parsed, b"number", b"42"),
        (FieldMap::Meta, b"source_ip", b"192.0.2.7"),
        (FieldMap::Meta, b"log_type", b"ssh_failed-auth"),
        (
            FieldMap::Meta,
            b"http_path",
            b"/Admin/%2e%2e/Login.php?a=1&b=2",
        ),
        (FieldMap::Enriched, b"IsoCode", b"FR"),
    ];
    for (map, name, value) in fields {
        event.set_named(map, name, value);
    }
    event.set_text(TextField::StrTime, b"Mar  4 05:06:07");
    event.set_text(TextField::MarshaledTime, b"2026-03-04T05:06:07Z");
    let text = |text: &[u8]| Tree::Str(Arc::from(text));
    let list = Tree::List(Arc::new(vec![
        text(b"a"),
        Tree::Float(2.5),
        Tree::Null,
        Tree::Bool(true),
    ]));
    let strings = [(Box::from(&b"user"[..]), Arc::from(&b"bob,"[..]))];
    let inner = [
        (Box::from(&b"list"[..]), list),
        (Box::from(&b"n"[..]), Tree::Float(5.0)),
        (Box::from(PROBE.as_bytes()), text(probe)),
    ];
    let tree = event.tree_mut();
    tree.insert(
        Box::from(&b"json"[..]),
        Tree::Map(Arc::new(inner.into_iter().collect())),
    );
    tree.insert(
        Box::from(&b"kv"[..]),
        Tree::Strings(Arc::new(strings.into_iter().collect())),
    );
    event
}
