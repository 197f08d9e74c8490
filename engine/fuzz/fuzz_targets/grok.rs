//! Grok: any pattern text against any line, by both engines.
//!
//! ```text
//! !NAME definition     any number of these
//! pattern
//! the line to match, bytes, up to the end
//! ```

#![no_main]

use std::str;

use libfuzzer_sys::fuzz_target;
use overspill_grok::{Engine, Library, Matcher, Pattern, Scratch, compile_go, translate};

fuzz_target!(|data: &[u8]| {
    let mut library = Library::builtin();
    let mut rest = data;
    let pattern = loop {
        let (head, tail) = overspill_fuzz::line(rest);
        rest = tail;
        let Ok(head) = str::from_utf8(head) else {
            return;
        };
        let Some(definition) = head.strip_prefix('!') else {
            break head;
        };
        let (name, text) = definition.split_once(' ').unwrap_or((definition, ""));
        // A refused definition is simply not there.
        _ = library.add(name, text);
    };
    go_regex(pattern, rest);
    engines(&library, Pattern::Text(pattern), None, rest);
    engines(&library, Pattern::Text(pattern), Some(&is_read), rest);
});

/// Some of the fields, by their name.
fn is_read(field: &str) -> bool {
    field.len() % 2 == 1
}

/// The specialised matcher and the regex engine agree on whether, and on every span.
fn engines(
    library: &Library,
    pattern: Pattern<'_>,
    read_fields: Option<&dyn Fn(&str) -> bool>,
    line: &[u8],
) {
    let compile = |engine| Matcher::compile_with(library, pattern, read_fields, engine);
    let (fast, slow) = match (compile(Engine::Specialised), compile(Engine::Reference)) {
        (Ok(fast), Ok(slow)) => (fast, slow),
        (Err(fast), Err(slow)) => {
            assert_eq!(fast.to_string(), slow.to_string());
            return;
        }
        (fast, slow) => panic!("one engine refuses: {fast:?}, {slow:?}"),
    };
    assert_eq!(fast.fields(), slow.fields());
    let (mut by_fast, mut by_slow) = (Scratch::new(), Scratch::new());
    let is_match = slow.run(&mut by_slow, line);
    // The second search runs on warm memory.
    for _ in 0..2 {
        assert_eq!(fast.run(&mut by_fast, line), is_match, "{pattern:?}");
    }
    if !is_match {
        return;
    }
    for field in 0..slow.fields().len() {
        assert_eq!(by_fast.span(field), by_slow.span(field), "field {field}");
    }
    let literal = fast.required_literal();
    assert!(
        literal.is_empty() || line.windows(literal.len()).any(|piece| piece == literal),
        "a match without the literal it requires"
    );
}

/// Go's dialect: its three questions agree.
fn go_regex(pattern: &str, line: &[u8]) {
    _ = translate(pattern);
    let Ok(regex) = compile_go(pattern) else {
        return;
    };
    let found = regex.find(line);
    assert_eq!(regex.is_match(line), found.is_some());
    let captures = regex.captures(line);
    assert_eq!(captures.as_ref().map(|captures| captures.span()), found);
    if let Some(captures) = captures {
        for group in 0..captures.len() {
            let inside = |span: std::ops::Range<usize>| span.end <= line.len();
            assert!(captures.get(group).is_none_or(inside));
        }
        let _ = regex.captures_at(line, captures.span().end);
    }
}
