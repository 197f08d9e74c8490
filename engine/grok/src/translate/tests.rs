use super::*;

#[test]
fn constructs_that_differ_are_rewritten() {
    let check = |go: &str, rust: &str| {
        assert_eq!(translate(go).as_deref(), Ok(rust), "{go}");
        crate::hir::parse(rust).unwrap();
    };
    check("abc", "abc");
    check(r"a{", r"a\{");
    check(r#"{"ip":"#, r#"\{"ip":"#);
    check("a{,2}", r"a\{,2\}");
    check("a{02}", r"a\{02\}");
    check("a{2}b{3,}c{4,5}?", "a{2}b{3,}c{4,5}?");
    check("%{INT:src-ip}", r"%\{INT:src-ip\}");
    check(r"\d\D\w\W", "[0-9][^0-9][0-9A-Za-z_][^0-9A-Za-z_]");
    check(r"\s\S", r"[\t\n\x0C\r ][^\t\n\x0C\r ]");
    check(r"[\d\s\W]", r"[0-9\t\n\x0C\r [^0-9A-Za-z_]]");
    check(r"\bx\B", r"(?-u:\b)x(?-u:\B)");
    check("[[]", r"[\[]");
    check("[a[b]", r"[a\[b]");
    check("[]a]", r"[\]a]");
    check("[^]a]", r"[^\]a]");
    check("[a&&b]", r"[a\&\&b]");
    check("[a~~+--c]", r"[a\~\~+-\-c]");
    check(r"[\w-x]", r"[0-9A-Za-z_\-x]");
    check("[[:alpha:][:^digit:]]", "[[:alpha:][:^digit:]]");
    check("[[:x]", r"[\[:x]");
    check(r"\<a\>", "<a>");
    check(r"\Qa.b{2}\E+", r"a\.b\{2\}+");
    check(r"\Q[", r"\[");
    check(r"\0\012\12", "\0\n\n");
    check(r"\x41\x{263a}\a\v", "A\u{263A}\x07\x0B");
    check(r"\_\-\/", "_-/");
    check("(?P<x>a)(?P<x>b)(?<y>c)", "(a)(b)(c)");
    check("(?i)a(?:b)(?i-s:c)(?U)d(?)", "(?i)a(?:b)(?i-s:c)(?U)d");
    check("(?ii-i)a", "(?-i)a");
    check(
        r"\pL\p{Greek}\P{^Lu}[\pN]",
        r"\p{L}\p{Script=Greek}\p{Lu}[\p{N}]",
    );
    check("a|b||", "a|b||");
    check("()*", "()*");
    check("^*", "^*");
    check(r"\x{D800}", "[a&&b]");
    check(r"[\x{D800}]", "[a&&b]");
    check(r"x(a|)?", "x(a|)?");
}

#[test]
fn what_go_refuses_is_refused() {
    use TranslateErrorKind::*;
    let check = |go: &str, kind: TranslateErrorKind| {
        assert_eq!(translate(go).map_err(|error| error.kind), Err(kind), "{go}");
    };
    check("(a", MissingParenthesis);
    check("a)", UnexpectedParenthesis);
    check("[a", MissingBracket);
    check("[]", MissingBracket);
    check("*a", NothingToRepeat);
    check("(*a)", NothingToRepeat);
    check("a|+", NothingToRepeat);
    check(r"\Q\E*", NothingToRepeat);
    check("a**", StackedRepetition);
    check("a*+", StackedRepetition);
    check("a???", StackedRepetition);
    check("a{2}{3}", StackedRepetition);
    check("x{1001}", RepeatCount);
    check("x{99999999999999999999}", RepeatCount);
    check("x{2,1}", RepeatCount);
    check("((x{10}){10}){11}", RepeatCount);
    check("[z-a]", ClassRange);
    check(r"[a-\d]", Escape);
    check("[[:foo:]]", ClassName);
    check(r"\p{Nope}", ClassName);

    check(r"\u0041", Escape);
    check(r"\1", Escape);
    check(r"\8", Escape);
    check(r"\Z", Escape);
    check(r"\E", Escape);
    check(r"\C", Escape);
    check(r"[\b]", Escape);
    check(r"\x{110000}", Escape);
    check(r"\xg0", Escape);
    check("\\é", Escape);
    check("a\\", TrailingBackslash);
    check("(?P<a b>x)", GroupName);
    check("(?P<>x)", GroupName);
    check("(?P<x", GroupName);
    check("(?x)a", GroupFlags);
    check("(?=a)", GroupFlags);
    check("(?<!a)", GroupName);
    check("(?i-)a", GroupFlags);
    check("(?i", GroupFlags);
    check(&"(".repeat(NEST_LIMIT + 1), NestedTooDeep);
}

#[test]
fn errors_say_where() {
    let error = translate("ab[z-a]").unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid character class range at byte 2 of the regex"
    );
}

proptest::proptest! {
    #[test]
    fn whatever_is_translated_parses(pattern in r"[ab\\(){}\[\]^$.*+?|,:0-9&~<>?PQEdwsbxpLiU -]{0,24}") {
        if let Ok(translated) = translate_groups(&pattern) {
            let hir = crate::hir::parse(&translated.text);
            proptest::prop_assert!(hir.is_ok(), "{} -> {}: {:?}", pattern, translated.text, hir);
        }
    }

    #[test]
    fn no_pattern_makes_it_panic(pattern in ".{0,40}") {
        drop(translate(&pattern));
    }
}
