use super::*;

const LINES: [&str; 8] = [
    r#"{"pattern":"/admin","tag":"old","type":"equals"}"#,
    r#"{"pattern":"/admin","tag":"admin","type":"equals"}"#,
    r#"{"pattern":"wp-login","tag":"wordpress","type":"contains"}"#,
    r#"{"pattern":"wp-","tag":"wp","type":"contains"}"#,
    r#"{"pattern":"xml","tag":"xml","type":"contains","note":"kept"}"#,
    r#"{"pattern":"\\.php[0-9]$","tag":"php","type":"regex"}"#,
    r#"{"pattern":"([","tag":"broken","type":"regex"}"#,
    r#"{"pattern":"^/[a-z]+$","tag":"word","type":"regex"}"#,
];

#[test]
fn equals_comes_before_contains_and_contains_before_regex() {
    let table = MapFile::new(&LINES).unwrap();
    for (text, expected) in [
        ("/admin", Some("admin")),
        ("/wp-login.php5", Some("wordpress")),
        ("/wp-admin/xml", Some("wp")),
        ("/xml/wp-login", Some("xml")),
        ("/index.php5", Some("php")),
        ("/word", Some("word")),
        ("/Other", None),
        ("", None),
    ] {
        assert_eq!(table.lookup(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(table.bad_regexes(), [6]);
    assert_eq!(table.rows().len(), LINES.len());
    assert_eq!(
        table.rows()[4].get("note").map(String::as_str),
        Some("kept")
    );
}

#[test]
fn a_bad_line_makes_the_file_unusable() {
    let good = LINES[0];
    for (line, expected) in [
        (
            r#"{"tag":"t","type":"equals"}"#,
            MapLineError::Missing("pattern"),
        ),
        (
            r#"{"pattern":"","tag":"t","type":"equals"}"#,
            MapLineError::Missing("pattern"),
        ),
        (
            r#"{"pattern":"p","tag":null,"type":"equals"}"#,
            MapLineError::Missing("tag"),
        ),
        (
            r#"{"pattern":"p","tag":"t"}"#,
            MapLineError::Missing("type"),
        ),
        (
            r#"{"pattern":"p","tag":"t","type":"glob"}"#,
            MapLineError::Type("glob".to_owned()),
        ),
        (
            r#"{"pattern":"p","tag":"t","type":"equals","n":1}"#,
            MapLineError::NotStrings,
        ),
        ("[]", MapLineError::NotStrings),
        ("null", MapLineError::Missing("pattern")),
    ] {
        assert_eq!(
            MapFile::new(&[good, line]).map(|_| ()),
            Err((1, expected)),
            "{line}"
        );
    }
    assert!(matches!(
        MapFile::new(&["{"]),
        Err((0, MapLineError::Json(_)))
    ));
}
