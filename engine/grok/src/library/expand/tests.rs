use super::*;

fn library(definitions: &[(&str, &str)]) -> Library {
    let mut library = Library::base();
    for (name, pattern) in definitions {
        library.add(name, pattern).unwrap();
    }
    library
}

#[test]
fn references_are_words_with_at_most_one_field() {
    let check = |pattern: &str, expected: &[(&str, Option<&str>)]| {
        let found: Vec<_> = references(pattern)
            .iter()
            .map(|r| (r.name, r.field))
            .collect();
        assert_eq!(found, expected, "{pattern}");
    };
    check("%{INT}", &[("INT", None)]);
    check("a%{INT:x}b%{WORD}", &[("INT", Some("x")), ("WORD", None)]);
    check("%{INT:x:int}", &[]);
    check("%{INT:src-ip}", &[]);
    check("%{INT:}", &[]);
    check("%{}", &[]);
    check("%{:x}", &[]);
    check("%{INT", &[]);
    check("%{%{INT}", &[("INT", None)]);
    check("%{INT:x%{INT:y}", &[("INT", Some("y"))]);
    check("%%{INT}", &[("INT", None)]);
    check("%{ÄÖ}", &[]);
}

#[test]
fn references_expand_to_groups_as_text() {
    let library = library(&[("AB", "a|b"), ("NEST", "<%{AB:inner}>")]);
    let expansion = library.expand("x%{NEST:outer}(?:y)%{AB}{2}").unwrap();
    assert_eq!(&*expansion.regex, "x(<(a|b)>)(?:y)(a|b){2}");
    assert_eq!(expansion.groups, 3);
}

#[test]
fn fields_point_at_the_group_upstream_counts() {
    let library = library(&[
        ("IN", "%{INT:a} (x) %{WORD:b}"),
        ("A1", "%{INT:a}"),
        ("FLAG", "(?i)%{INT:a}"),
        ("PARENS", r"\(%{INT:a}\)[(]%{INT:b}"),
    ]);
    let check = |pattern: &str, expected: &[(&str, i64)]| {
        let expansion = library.expand(pattern).unwrap();
        let fields: Vec<_> = expansion.fields.iter().map(|(f, i)| (&**f, *i)).collect();
        assert_eq!(fields, expected, "{pattern}");
    };
    check("%{INT}", &[]);
    check("(?P<named>x)", &[]);
    check("(x)%{INT:a}", &[("a", 2)]);
    // Inherited fields move with their pattern.
    check("%{IN}", &[("a", 2), ("b", 4)]);
    check("(x)(?:y)%{IN:whole}", &[("whole", 2), ("a", 3), ("b", 5)]);
    // A direct field hides an inherited one, wherever it stands.
    check("%{IN} %{INT:b}", &[("a", 2), ("b", 5)]);
    check("%{INT:b} %{IN}", &[("b", 1), ("a", 3)]);
    // The last occurrence wins, on one level and among inherited ones.
    check("(?:%{INT:v}|%{WORD:v})", &[("v", 2)]);
    check("%{A1}|%{IN}", &[("a", 4), ("b", 6)]);
    // The guess at flag groups: right for (?i), wrong for a dash or a letter before a parenthesis.
    check("%{FLAG}", &[("a", 2)]);
    check("(?:%{INT:a}|-) %{INT:b}", &[("a", 1), ("b", 1)]);
    check("(?:x|access) %{INT:b}", &[("b", 0)]);
    // Escaped parentheses are left out, those in classes counted.
    check("%{PARENS}", &[("a", 2), ("b", 4)]);
}

#[test]
fn the_count_of_parentheses_follows_the_three_rules() {
    let check = |text: &str, expected: i64| assert_eq!(counted_groups(text), expected, "{text}");
    check("", 0);
    check("((", 2);
    check("(?:", 0);
    check("(?i:", 0);
    check("(?P<x>", 1);
    check("(?i)", 0);
    check("(?-s)(", 1);
    check("|-)", -1);
    check("|-)(", 0);
    check("miss)", -1);
    check(r"\(", 0);
    check(r"\((", 1);
    check(r"\\(", 0);
    check("[(]", 1);
    check("(?:Us)", -1);
    check("-)-)", -2);
}
