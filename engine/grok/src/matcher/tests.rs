use super::*;

mod differential;
mod hub;

fn fields(library: &Library, pattern: &str, line: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut answers = [Engine::Specialised, Engine::Reference].map(|engine| {
        let matcher = Matcher::compile_with(library, Pattern::Text(pattern), None, engine).unwrap();
        let mut scratch = Scratch::new();
        if !matcher.run(&mut scratch, line.as_bytes()) {
            return None;
        }
        let text = |i: usize| {
            scratch
                .span(i)
                .map(|_| String::from_utf8_lossy(scratch.value(i, line.as_bytes())).into_owned())
        };
        Some(
            matcher
                .fields()
                .iter()
                .enumerate()
                .map(|(i, f)| (f.to_string(), text(i)))
                .collect(),
        )
    });
    let specialised = std::mem::take(&mut answers[0]);
    assert_eq!(specialised, answers[1], "{pattern} on {line:?}");
    specialised
}

#[track_caller]
fn check(pattern: &str, line: &str, expected: &str) {
    let mut library = Library::builtin();
    library
        .add("WORDS", "%{WORD:first} %{WORD:second}")
        .unwrap();
    let shown = match fields(&library, pattern, line) {
        None => "no match".to_owned(),
        Some(fields) => fields
            .iter()
            .map(|(field, text)| format!("{field}={}", text.as_deref().unwrap_or("<unset>")))
            .collect::<Vec<_>>()
            .join(" "),
    };
    assert_eq!(shown, expected, "{pattern} on {line:?}");
}

#[test]
fn fields_hold_the_leftmost_first_match() {
    check("%{IP:ip}", "from 10.0.0.1 and 10.0.0.2", "ip=10.0.0.1");
    check("%{INT:n}", "a-12b", "n=-12");
    check("(?:%{INT:v}|%{WORD:v})", "12", "v=<unset>");
    check("%{DATA:d}=%{GREEDYDATA:g}", "a=b=c", "d=a g=b=c");
    check("%{GREEDYDATA:g}=%{DATA:d}", "a=b=c", "g=a=b d=");
    check("%{WORDS} %{INT:second}", "ab cd 7", "first=ab second=7");
    check("^%{WORD:w}$", "word", "w=word");
    check("^%{WORD:w}$", "word\n", "no match");
    check(
        "(%{IPORHOST:fqdn} )?%{IPORHOST:addr} -",
        "h.example 1.2.3.4 - x",
        "fqdn=h.example addr=1.2.3.4",
    );
    check(
        "(%{IPORHOST:fqdn} )?%{IPORHOST:addr} -",
        "1.2.3.4 - x",
        "fqdn=<unset> addr=1.2.3.4",
    );
    check("%{IPV6:ip}", "fe80::1%eth0 rest", "ip=fe80::1%eth0 rest");
    check("%{MONTHNUM:m}-%{MONTHDAY:d}", "12-3", "m=12 d=3");
}

#[test]
fn a_pattern_without_fields_never_succeeds() {
    check("%{INT}", "12", "no match");
    check("abc", "abc", "no match");
}

#[test]
fn fields_that_share_a_group_get_the_same_span() {
    check("(?:%{INT:a}|-) %{INT:b}", "1 2", "a=1 b=1");
    check("(?:x|access) %{INT:b}", "!access 12", "b=access 12");
}

#[test]
fn classes_are_ascii_and_text_is_unicode() {
    check(r"(?:\w+) %{WORD:w}", "é word", "no match");
    check("%{DATA:d}!", "é!", "d=é");
    check("x%{NOTSPACE:s}", "x\u{b}é y", "s=\u{b}é");
    check("(?i)user %{WORD:u}", "USER bob", "u=bob");
}

#[test]
fn invalid_utf8_matches_what_re2_takes() {
    let library = Library::builtin();
    for engine in [Engine::Specialised, Engine::Reference] {
        let compile = |pattern| {
            Matcher::compile_with(&library, Pattern::Text(pattern), None, engine).unwrap()
        };
        let mut scratch = Scratch::new();
        let any = compile("<%{DATA:d}>");
        assert!(!any.run(&mut scratch, b"<\xFF>"));
        assert!(any.run(&mut scratch, b"<\xED\xA0\x80>"));
        assert_eq!(scratch.span(0), Some((1, 4)));
        assert!(any.run(&mut scratch, b"\xFF<a>"));
        assert_eq!(scratch.span(0), Some((2, 3)));
    }
}

#[test]
fn only_fields_that_are_read_get_a_span() {
    let library = Library::builtin();
    let read = |field: &str| field == "second";
    let pattern = "%{WORD:first} %{WORD:second}";
    let matcher = Matcher::compile(&library, pattern, Some(&read)).unwrap();
    assert_eq!(matcher.fields(), [Box::from("second")]);
    let mut scratch = Scratch::new();
    assert!(matcher.run(&mut scratch, b"a b"));
    assert_eq!(scratch.value(0, b"a b"), b"b");
    let none = Matcher::compile(&library, pattern, Some(&|_| false)).unwrap();
    assert!(none.run(&mut scratch, b"a b"));
    assert_eq!(scratch.span(0), None);
    assert!(!none.run(&mut scratch, b"a"));
}

#[test]
fn definitions_compile_by_name() {
    let library = Library::builtin();
    let matcher = Matcher::compile_named(&library, "SYSLOGLINE", None).unwrap();
    let line = b"Mar 10 06:00:00 host sshd[42]: Accepted";
    let mut scratch = Scratch::new();
    assert!(matcher.run(&mut scratch, line));
    let value = |name: &str| {
        let i = matcher
            .fields()
            .iter()
            .position(|field| &**field == name)
            .unwrap();
        scratch.value(i, line)
    };
    assert_eq!(value("logsource"), b"host");
    assert_eq!(value("program"), b"sshd");
    assert_eq!(value("pid"), b"42");
    assert_eq!(value("message"), b"Accepted");
    assert_eq!(value("timestamp8601"), b"");
}

#[test]
fn patterns_that_cannot_run_are_load_errors() {
    let library = Library::builtin();
    let error = |pattern: &str| Matcher::compile(&library, pattern, None).unwrap_err();
    assert!(matches!(
        error("%{NOPE:x}"),
        GrokError::Library(LibraryError::UnknownPattern { .. })
    ));
    assert!(matches!(
        error(""),
        GrokError::Library(LibraryError::EmptyPattern { .. })
    ));
    // The parenthesis in the class counts as a group that is not there.
    let past = error("[(]%{INT:a}");
    assert!(matches!(
        past,
        GrokError::Library(LibraryError::FieldIndex { index: 2, .. })
    ));
    let before = error("(?:-)(?:-)%{INT:a}");
    assert!(matches!(
        before,
        GrokError::Library(LibraryError::FieldIndex { index: -1, .. })
    ));
    assert!(matches!(
        error("(?:.{1000}){1000}%{INT:a}"),
        GrokError::Library(_)
    ));
}

#[test]
fn programs_are_shared_by_their_text() {
    let library = Library::builtin();
    let a = Matcher::compile(&library, "shared %{INT:a}", None).unwrap();
    let b = Matcher::compile(&library, "shared %{INT:b}", None).unwrap();
    assert!(Arc::ptr_eq(&a.program, &b.program));
    fn shareable<T: Send + Sync>(_: &T) {}
    shareable(&a);
}
