//! Where paths lead.

use overspill_event::{FieldMap, SchemaBuilder, TextField};

use super::{OverflowText, TargetPath};

#[track_caller]
fn check(path: &str, expected: &TargetPath) {
    let mut schema = SchemaBuilder::new();
    schema.intern(FieldMap::Meta, "a").unwrap();
    schema.intern(FieldMap::Labels, "type").unwrap();
    assert_eq!(
        TargetPath::parse(path, &mut schema).as_ref(),
        Ok(expected),
        "{path}"
    );
}

#[test]
fn a_path_leads_to_a_text_by_exact_names() {
    let meta = TargetPath::Field(overspill_event::Slot(0));
    check("evt.Meta.a", &meta);
    check("Meta.a", &meta);
    check("evt.Meta.a.b.c", &meta);
    check(
        "evt.Line.Labels.type",
        &TargetPath::Field(overspill_event::Slot(1)),
    );
    check(
        "evt.Unmarshaled.k.l",
        &TargetPath::Unmarshaled((*b"k").into()),
    );
    check("evt.Line.Raw", &TargetPath::Text(TextField::LineRaw));
    check("evt.Stage", &TargetPath::Text(TextField::Stage));
    check("MarshaledTime", &TargetPath::Text(TextField::MarshaledTime));
    check(
        "evt.Overflow.Mapkey",
        &TargetPath::Overflow(OverflowText::Mapkey),
    );
    check(
        "evt.Overflow.Alert.Source.Cn",
        &TargetPath::Overflow(OverflowText::SourceCn),
    );
}

#[test]
fn everything_else_leads_nowhere() {
    for path in [
        "source_ip",
        "evt.meta.a",
        "evt.evt.Meta.a",
        "evt.Meta",
        "evt.Line",
        "evt.Line.Raw.x",
        "evt.Line.Time",
        "evt.StrTime.x",
        "evt.Process",
        "evt.Time",
        "evt.Type",
        "evt.Overflow.Sources.x",
        "evt.Overflow.Whitelisted",
        "evt.Overflow.Alert.Capacity",
        "evt.Overflow.Alert.Source",
        "evt.Appsec.Vars.x",
        "",
        ".",
    ] {
        check(path, &TargetPath::Nowhere);
    }
}
