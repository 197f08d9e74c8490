use super::*;

fn texts(content: &[u8]) -> String {
    let Ok(lines) = usable_lines(content) else {
        return "error".to_owned();
    };
    let shown = lines
        .iter()
        .map(|line| format!("{}:{}", line.number, String::from_utf8_lossy(line.text)));
    shown.collect::<Vec<_>>().join("|")
}

#[test]
fn comments_and_empty_lines_do_not_count() {
    assert_eq!(
        texts(b"a\n#b\n\n c \r\n #d\r\n\r\ne"),
        "1:a|4: c |5: #d|7:e"
    );
    assert_eq!(texts(b"# only\n\n"), "");
    assert_eq!(texts(b""), "");
}

#[test]
fn a_line_has_a_limit() {
    let long = b"a".repeat(LINE_BYTES_MAX - 1);
    assert_eq!(
        usable_lines(&[&long[..], b"\n", &long[..]].concat())
            .unwrap()
            .len(),
        2
    );
    let longer = [b"x\n", &long[..], b"a\n"].concat();
    assert!(matches!(
        usable_lines(&longer),
        Err(DataError::LongLine { line: 2 })
    ));
}

#[test]
fn types_have_names() {
    for (name, expected) in [
        ("string", Some(DataType::String)),
        ("regex", Some(DataType::Regex)),
        ("regexp", Some(DataType::Regex)),
        ("map", Some(DataType::Map)),
        ("bots", Some(DataType::Bots)),
        ("", None),
    ] {
        assert_eq!(DataType::from_name(name).unwrap(), expected);
    }
    assert!(matches!(
        DataType::from_name("String"),
        Err(DataError::Type(_))
    ));
}

#[test]
fn a_file_without_usable_lines_is_not_loaded() {
    for data_type in [
        DataType::String,
        DataType::Regex,
        DataType::Map,
        DataType::Bots,
    ] {
        assert!(DataFile::read(b"# nothing\n", data_type).unwrap().is_none());
    }
}

#[test]
fn content_is_read_for_its_type() {
    let Ok(Some(DataFile::Strings(lines))) = DataFile::read(b"a\nb\xff\n", DataType::String) else {
        panic!("strings");
    };
    assert_eq!(lines.concat(), b"ab\xff");
    let Ok(Some(DataFile::Regexes(set))) = DataFile::read(b"^a\n#\nb$", DataType::Regex) else {
        panic!("regexes");
    };
    assert!(set.len() == 2 && set.is_match(b"ax") && !set.is_match(b"xa"));
}

#[test]
fn errors_name_the_line_of_the_file() {
    for (content, data_type, expected) in [
        (&b"# c\nfine\n(["[..], DataType::Regex, "line 3 is no regex"),
        (b"\n\xff", DataType::Regex, "line 2 is not UTF-8"),
        (b"\n{", DataType::Map, "line 2 is no map entry"),
        (b"#\n#\n{}", DataType::Bots, "line 3 is no bot definition"),
    ] {
        let err = DataFile::read(content, data_type)
            .map(|_| ())
            .map_err(|err| err.to_string());
        assert_eq!(err, Err(expected.to_owned()));
    }
}
