use super::*;
use crate::schema::SchemaBuilder;

fn event() -> (Event, Slot, Slot) {
    let mut builder = SchemaBuilder::new();
    let user = builder.intern(FieldMap::Meta, "user").unwrap();
    let ip = builder.intern(FieldMap::Meta, "ip").unwrap();
    (Event::new(builder.freeze()), user, ip)
}

#[test]
fn a_missing_field_is_absent_and_reads_as_empty() {
    let (mut event, user, ip) = event();
    event.set(user, b"");
    assert_eq!(event.get(user), Some(&b""[..]));
    assert_eq!(event.get(ip), None);
    assert_eq!(event.text_of(ip), b"");
}

#[test]
fn fields_come_in_name_order_with_and_without_slots() {
    let (mut event, user, ip) = event();
    event.set(user, b"root");
    event.set_named(FieldMap::Meta, b"log_type", b"x");
    event.set(ip, b"1.2.3.4");
    let fields = event.fields(FieldMap::Meta);
    assert_eq!(
        fields,
        vec![
            (&b"ip"[..], &b"1.2.3.4"[..]),
            (&b"log_type"[..], &b"x"[..]),
            (&b"user"[..], &b"root"[..])
        ]
    );
}

#[test]
fn a_constant_is_the_same_text_in_every_event() {
    let mut builder = SchemaBuilder::new();
    let user = builder.intern(FieldMap::Meta, "user").unwrap();
    let root = builder.constant(b"root").unwrap();
    assert_eq!(builder.constant(b"root"), Some(root));
    let other = builder.constant(b"other").unwrap();
    let schema = builder.freeze();
    let continued = SchemaBuilder::continuing(&schema).constant(b"other");
    assert_eq!(continued, Some(other));
    let mut event = Event::new(schema);
    event.set_span(user, other);
    assert_eq!(event.get(user), Some(&b"other"[..]));
    assert!(other.is_constant() && !Span::ABSENT.is_constant());
    event.set(user, b"root");
    assert!(!event.span(user).is_constant());
    assert_eq!(event.bytes(root), event.text_of(user));
    assert_eq!((event.n_bytes(), event.bytes(Span::ABSENT)), (4, &b""[..]));
}

#[test]
fn reset_forgets_every_field() {
    let (mut event, user, _) = event();
    event.begin_line(
        &Origin::default(),
        b"line",
        Position {
            partition: 1,
            offset: 7,
        },
    );
    event.set(user, b"root");
    event.set_named(FieldMap::Parsed, b"zz", b"1");
    event.reset();
    assert_eq!(event.get(user), None);
    assert_eq!(event.get_named(FieldMap::Parsed, b"zz"), None);
    assert_eq!(event.raw(), b"");
}

#[test]
fn an_event_past_its_limit_is_cut_and_says_so() {
    let (mut event, user, _) = event();
    event.set(user, &vec![b'x'; Event::BYTES_MAX + 1]);
    assert_eq!(event.text_of(user).len(), Event::BYTES_MAX);
    assert!(event.is_truncated());
}
