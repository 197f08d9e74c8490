use proptest::prelude::*;

use super::*;

const EVENT: &str = r#"<?xml version="1.0" encoding="utf-16"?>
<Event xmlns='http://example/event'>
  <System>
    <Provider Name='Sysmon' n:Guid="&quot;1&#34;"/>
    <EventID>1</EventID>
  </System>
  <EventData>
    <Data Name='Image'>C:\x &amp; <!-- a comment -->y.exe</Data>
    <Data Name='User'><![CDATA[<bob>&amp;]]></Data>
    <Data Name='Empty'></Data>
    <n:Data Name='Spaced'>a<b/>c</n:Data>
  </EventData>
  <EventData><Data Name='User'>second</Data></EventData>
</Event>
"#;

fn node(xml: &str, path: &str) -> Option<String> {
    node_value(xml.as_bytes(), path.as_bytes()).map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn paths_of_the_hub_find_their_values() {
    for (path, expected) in [
        ("/Event/System[1]/EventID", Some("1")),
        (
            "/Event/EventData[1]/Data[@Name='Image']",
            Some("C:\\x & y.exe"),
        ),
        ("/Event/EventData[1]/Data[@Name='User']", Some("<bob>&amp;")),
        ("/Event/EventData[1]/Data[@Name='Empty']", Some("")),
        ("/Event/EventData[1]/Data[2]", Some("<bob>&amp;")),
        ("/Event/EventData[2]/Data[@Name='User']", Some("second")),
        ("/Event/EventData[1]/Data[@Name='None']", None),
        ("/Event/EventData[3]/Data", None),
        ("/event", None),
    ] {
        assert_eq!(node(EVENT, path).as_deref(), expected, "{path}");
    }
}

#[test]
fn paths_have_the_rest_of_the_syntax_too() {
    for (path, expected) in [
        ("//EventID", Some("1")),
        ("Event/System/EventID", Some("1")),
        ("/Event/*/Data[-1]", Some("a")),
        ("//n:Data", Some("a")),
        ("//Data[4]", Some("a")),
        ("//Data[b]", Some("a")),
        ("//EventData[Data='second']/Data", Some("second")),
        ("//Data[text()='second']/../Data[1]", Some("second")),
        ("//*[name()='n:Data']", Some("a")),
        ("//*[local-name()='Data'][2]", Some("<bob>&amp;")),
        ("//System[@Name]", None),
        ("/Event/System/Provider[@Name='a/b']", None),
        ("//Data[", None),
        ("//Data[]", None),
        ("//Data[@Name='x]", None),
        ("//Data[what()]", None),
    ] {
        assert_eq!(node(EVENT, path).as_deref(), expected, "{path}");
    }
}

#[test]
fn attributes_fit_any_prefix_unless_one_is_asked_for() {
    let provider = |name: &str| {
        attribute_value(EVENT.as_bytes(), b"/Event/System/Provider", name.as_bytes())
            .map(|value| String::from_utf8(value).unwrap())
    };
    assert_eq!(provider("Name").as_deref(), Some("Sysmon"));
    assert_eq!(provider("Guid").as_deref(), Some("\"1\""));
    assert_eq!(provider("n:Guid").as_deref(), Some("\"1\""));
    assert_eq!(provider("m:Guid"), None);
    assert_eq!(
        attribute_value(b"<a x='1' x='2'/>", b"/a", b"x").as_deref(),
        Some(&b"2"[..])
    );
}

#[test]
fn malformed_documents_have_no_values() {
    for (xml, expected) in [
        ("<a>x</a>", Some("x")),
        ("text <a>x</a> text", Some("x")),
        ("<a>x\r\ny\rz</a >", Some("x\ny\nz")),
        ("<a>&#x41;&#66;&lt;</a>", Some("AB<")),
        ("<!DOCTYPE a [<!ENTITY x '>'>]><a>x</a>", Some("x")),
        ("<a x='1'y=\"]]>\">x</a>", Some("x")),
        ("<a/>", Some("")),
        ("<a>x</b>", None),
        ("<a>x", None),
        ("</a>", None),
        ("<a>&foo;</a>", None),
        ("<a>&lt</a>", None),
        ("<a>&#0;</a>", None),
        ("<a>]]></a>", None),
        ("<a x=1>x</a>", None),
        ("<a x>x</a>", None),
        ("<a x='<'>x</a>", None),
        ("<a><!-- -- --></a>", None),
        ("<a><![CDATA[x</a>", None),
        ("<a>\u{1}</a>", None),
        ("<?xml version='1.1'?><a>x</a>", None),
        ("<1/><a>x</a>", None),
        ("<p:q:r/><a>x</a>", None),
    ] {
        assert_eq!(node(xml, "/a").as_deref(), expected, "{xml}");
    }
    assert_eq!(node_value(b"<a>\xff</a>", b"/a"), None);
}

#[test]
fn deep_documents_are_read_without_recursion() {
    let xml = [b"<a>".repeat(200_000), b"</a>".repeat(200_000)].concat();
    assert_eq!(node_value(&xml, b"/a/a"), Some(Vec::new()));
    // Too much work for one search: no answer rather than a late one.
    assert_eq!(node_value(&xml, b"//a//a//b"), None);
}

#[test]
fn a_thread_keeps_one_document_and_some_paths() {
    for round in 0..PATHS_KEPT + 10 {
        assert_eq!(node("<a>x</a>", &format!("/b{round}")), None);
        assert_eq!(
            node(&format!("<a>{round}</a>"), "/a"),
            Some(round.to_string())
        );
    }
    KEPT.with_borrow(|kept| assert!(kept.paths.len() <= PATHS_KEPT));
}

proptest! {
    #[test]
    fn escaped_text_is_read_back(text in "[ -~\u{e9}\n\t]{0,16}") {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        prop_assert_eq!(node(&format!("<a>{escaped}</a>"), "/a"), Some(text));
    }

    #[test]
    fn what_is_found_is_utf8(xml in "[<>/a='\"&;!\\[\\]?-]{0,24}", path in "[/a\\[\\]@='.*1]{0,10}") {
        if let Some(value) = node_value(xml.as_bytes(), path.as_bytes()) {
            prop_assert!(String::from_utf8(value).is_ok());
        }
    }
}
