use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, start: (u32, u32), end: (u32, u32), expected: &Expect) {
    let file = SourceFile::new("scenarios/x.yaml", text);
    let mark = |(line, column)| Mark { line, column };
    let finding = Diagnostic::at(&file, mark(start), mark(end), "is wrong")
        .with_key("a.b")
        .with_hint("write c");
    expected.assert_eq(&finding.render());
}

#[test]
fn a_finding_shows_its_line_and_a_caret() {
    check(
        "x: 1\nleakspeed: \"10 s\"\n",
        (2, 12),
        (2, 18),
        &expect![[r#"
            error: scenarios/x.yaml:2: key `a.b`: is wrong
               2 | leakspeed: "10 s"
                 |            ^^^^^^ write c"#]],
    );
}

#[test]
fn what_goes_over_several_lines_is_marked_to_the_end_of_the_first() {
    check(
        "a: [1,\n 2]\n",
        (1, 4),
        (2, 4),
        &expect![[r#"
            error: scenarios/x.yaml:1: key `a.b`: is wrong
               1 | a: [1,
                 |    ^^^ write c"#]],
    );
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let text = format!("filter: \"{}HERE{}\"", "x".repeat(300), "y".repeat(300));
    check(
        &text,
        (1, 310),
        (1, 314),
        &expect![[r#"
            error: scenarios/x.yaml:1: key `a.b`: is wrong
               1 | xxxxxxxxxxxxxxxxxxxxHEREyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
                 |                     ^^^^ write c"#]],
    );
}

#[test]
fn places_outside_the_text_and_control_characters_do_no_harm() {
    check(
        "a: \u{1b}[31m\tx\u{202e}y\n",
        (1, 4),
        (1, 99),
        &expect![[r#"
            error: scenarios/x.yaml:1: key `a.b`: is wrong
               1 | a: �[31m x�y
                 |    ^^^^^^^^^ write c"#]],
    );
    check(
        "a: 1",
        (7, 7),
        (7, 9),
        &expect![[r#"
            error: scenarios/x.yaml:7: key `a.b`: is wrong
                 | write c"#]],
    );
}

#[test]
fn messages_keys_and_hints_cannot_steer_a_terminal() {
    let file = SourceFile::new("a\u{1b}[2J.yaml", "x: 1\n");
    let place = Mark { line: 1, column: 1 };
    let finding = Diagnostic::at(&file, place, place, "unexpected \u{3}\nerror: none")
        .with_key("a\u{9b}b")
        .with_hint("did you mean `\u{202e}x`?");
    expect![[r#"
        error: a�[2J.yaml:1: key `a�b`: unexpected � error: none
           1 | x: 1
             | ^ did you mean `�x`?"#]]
    .assert_eq(&finding.render());
}

#[test]
fn slips_of_the_finger_are_recognised() {
    let keys = [
        "filter",
        "groupby",
        "leakspeed",
        "name",
        "type",
        "distinct",
        "data",
    ];
    let cases = [
        ("fliter", Some("filter")),
        ("group_by", Some("groupby")),
        ("leak_speed", Some("leakspeed")),
        ("Name", Some("name")),
        ("distnct", Some("distinct")),
        ("date", Some("data")),
        ("xx", None),
        ("colour", None),
        ("", None),
    ];
    for (typed, expected) in cases {
        assert_eq!(nearest(typed, keys), expected, "{typed}");
    }
}
