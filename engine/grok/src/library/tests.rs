use super::*;

#[test]
fn the_built_in_patterns_are_all_there_and_all_expand() {
    assert_eq!(Library::empty().len(), 0);
    assert_eq!(Library::base().len(), 88);
    let library = Library::builtin();
    assert_eq!(library.len(), 88 + 309);
    for name in library.names() {
        library
            .expand_named(name)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

#[test]
fn built_in_patterns_refer_only_to_names_defined_further_up() {
    let mut library = Library::empty();
    for (file, text) in builtin::BASE.iter().chain(builtin::CORE) {
        library.add_file(file, text).unwrap();
    }
    assert_eq!(library.names(), Library::builtin().names());
}

#[test]
fn the_first_definition_of_a_name_stays() {
    let mut library = Library::base();
    assert_eq!(library.add("TAG", "[a-z]+").unwrap(), Added::New);
    assert_eq!(library.add("TAG", "[a-z]+").unwrap(), Added::Same);
    let kept = Added::Kept {
        existing: "[a-z]+".into(),
    };
    assert_eq!(library.add("TAG", "[A-Z]+").unwrap(), kept);
    assert!(matches!(
        library.add("INT", "x").unwrap(),
        Added::Kept { .. }
    ));
    assert_eq!(library.get("TAG"), Some("[a-z]+"));
}

#[test]
fn a_clone_does_not_see_later_definitions() {
    let mut library = Library::base();
    let before = library.clone();
    library.add("TAG", "x").unwrap();
    assert_eq!(before.get("TAG"), None);
    assert_eq!(library.get("TAG"), Some("x"));
}

#[test]
fn wrong_definitions_are_refused() {
    let mut library = Library::base();
    let check = |library: &mut Library, name: &str, pattern: &str, expected: &str| {
        let error = library.add(name, pattern).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(&mut library, "", "x", "grok pattern with an empty name");
    check(&mut library, "A", "", "grok pattern \"A\" is empty");
    check(
        &mut library,
        "A",
        "%{NOPE}",
        "grok pattern \"NOPE\" is not defined",
    );
    check(
        &mut library,
        "A",
        "%{A}",
        "grok pattern \"A\" is not defined",
    );
    check(
        &mut library,
        "A",
        "a(b",
        "grok pattern \"A\" is not a valid regex",
    );
    check(
        &mut library,
        "A",
        r"\%{INT}",
        "grok pattern \"A\" is not a valid regex",
    );
    assert_eq!(library.get("A"), None);
}

#[test]
fn nested_references_cannot_blow_up() {
    let mut library = Library::base();
    library.add("BOMB0", &"x".repeat(1000)).unwrap();
    let mut refused = None;
    for level in 1..40 {
        let double = format!("%{{BOMB{}}}%{{BOMB{}}}", level - 1, level - 1);
        match library.add(&format!("BOMB{level}"), &double) {
            Ok(_) => {}
            Err(error) => {
                refused = Some((level, error.to_string()));
                break;
            }
        }
    }
    let message = "grok pattern \"BOMB13\" expands to more than 4194304 bytes of regex".to_owned();
    assert_eq!(refused, Some((13, message)));
    let mut library = Library::base();
    library.add("DEEP0", "x").unwrap();
    let error = (1..1000)
        .find_map(|i| {
            library
                .add(&format!("DEEP{i}"), &format!("%{{DEEP{}}}", i - 1))
                .err()
        })
        .unwrap();
    assert!(matches!(error, LibraryError::Regex { .. }), "{error:?}");
}

#[test]
fn pattern_files_are_read_line_by_line() {
    let mut library = Library::base();
    let text =
        "# comment\nTAG   [a-z]+ \r\n  INDENTED x\nNO-NAME x\nEMPTY \n\nBLANK  \nLAST %{TAG:t}";
    library.add_file("mine", text).unwrap();
    assert_eq!(library.get("TAG"), Some("[a-z]+ "));
    assert_eq!(library.get("LAST"), Some("%{TAG:t}"));
    assert_eq!(library.get("BLANK"), Some(" "));
    assert_eq!(library.get("EMPTY"), None);
    assert_eq!(library.get("INDENTED"), None);
    let error = library.add_file("more", "\nINT x\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "more:2: grok pattern \"INT\" is already defined"
    );
    let error = library.add_file("more", "X (\n").unwrap_err();
    assert_eq!(error.to_string(), "more:1: bad grok pattern definition");
    let long = format!("LONG {}", "x".repeat(70_000));
    assert!(library.add_file("more", &long).is_err());
}

#[test]
fn a_pattern_directory_is_read_in_the_order_of_names() {
    let directory = std::env::temp_dir().join(format!("overspill-grok-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("sub")).unwrap();
    std::fs::write(directory.join("b"), "LATER %{FIRST}\n").unwrap();
    std::fs::write(directory.join("a"), "FIRST x\n").unwrap();
    std::fs::write(directory.join("c.bak"), "INT x\n").unwrap();
    let mut library = Library::base();
    library.add_directory(&directory).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(library.get("LATER"), Some("%{FIRST}"));
    assert!(library.add_directory(&directory).is_err());
}
