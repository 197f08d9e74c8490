//! What programs say of themselves: shapes, reads, trees, explanations.

use overspill_event::{FieldMap, SchemaBuilder, TextField};
use overspill_expr::{Bool, Compiler, Env, FieldRef, Program, Shape, Test, TextStep};

use crate::fixture::with;

fn compile(text: &str) -> (Program, SchemaBuilder) {
    let mut schema = SchemaBuilder::new();
    let program = Compiler::new(&mut schema)
        .compile(text, &Env::event())
        .unwrap();
    (program, schema)
}

#[test]
fn shapes_tell_plain_fields_texts_and_constants() {
    let check = |text: &str, want: fn(&SchemaBuilder) -> Shape| {
        let (program, schema) = compile(text);
        assert_eq!(*program.shape(), want(&schema), "{text}");
    };
    let slot =
        |schema: &SchemaBuilder| Shape::Field(schema.get(FieldMap::Meta, "source_ip").unwrap());
    check("evt.Meta.source_ip", slot);
    check("(evt.Meta['source_ip'])", slot);
    check("evt.Line.Raw", |_| Shape::Text(TextField::LineRaw));
    check("'a' + 'b'", |_| Shape::Const((*b"ab").into()));
    check("Upper('a')", |_| Shape::Const((*b"A").into()));
    check("evt.Unmarshaled.a", |_| Shape::Other);
    check("evt.Meta.a + ''", |_| Shape::Other);
}

#[test]
fn reads_tell_fields_trees_effects_and_failures() {
    let check = |text: &str, want: &str| {
        let (program, schema) = compile(text);
        let reads = program.reads();
        let frozen = schema.freeze();
        let mut words: Vec<String> = Vec::new();
        let name = |slot: &overspill_event::Slot| {
            format!("{:?}.{}", frozen.map(*slot), frozen.name(*slot))
        };
        words.extend(reads.slots.iter().map(name));
        words.extend(
            reads
                .writes
                .iter()
                .map(|slot| format!("writes {}", name(slot))),
        );
        for (flag, word) in [
            (reads.tree, "tree"),
            (reads.line, "line"),
            (reads.all, "all"),
            (reads.meta, "meta"),
            (reads.overflow, "overflow"),
            (reads.time, "time"),
            (reads.outside, "outside"),
            (reads.effects, "effects"),
            (reads.can_fail, "fails"),
        ] {
            if flag {
                words.push(word.to_owned());
            }
        }
        assert_eq!(words.join(" "), want, "{text}");
    };
    check(
        "evt.Meta.a == 'x' and Lower(evt.Parsed.b) contains 'y'",
        "Meta.a Parsed.b",
    );
    check(
        "evt.Meta.a in ['x'] or evt.Line.Labels.type == 'y'",
        "Meta.a Labels.type",
    );
    check("evt.Unmarshaled.a.b == 'x'", "tree fails");
    check("evt.Unmarshaled.a == 'x'", "tree");
    check("evt.Line.Raw contains 'x'", "line");
    check("evt.Parsed[evt.Meta.a] == 'x'", "Meta.a all");
    check("'a' in evt.Meta", "Meta.a");
    check("evt.Meta[evt.Meta.a] == 'x'", "Meta.a meta");
    check("evt.Overflow.Alert.Remediation", "overflow fails");
    check("evt.Time.Hour() > 5", "time fails");
    check("int(evt.Meta.a) > 5", "Meta.a fails");
    check("len(evt.Meta.a) > 5", "Meta.a");
    check(
        "evt.SetMeta('cve', evt.Meta.a)",
        "Meta.a writes Meta.cve effects",
    );
    check(
        "UnmarshalJSON(evt.Line.Raw, evt.Unmarshaled, 'x') == nil",
        "tree line effects fails",
    );
    check("GetFromStash('a', evt.Meta.b) == ''", "Meta.b outside");
    check("any(File('f'), evt.Meta.a contains #)", "Meta.a");
    check("RegexpInFile(evt.Meta.a, 'f')", "Meta.a");
    check("IpInRange(evt.Meta.a, '10.0.0.0/8')", "Meta.a");
    check(
        "evt.Meta.a matches 'x' && evt.Meta.a matches evt.Meta.b",
        "Meta.a Meta.b fails",
    );
    check("TimeNow() == ''", "outside");
}

#[test]
fn trees_show_the_tests_of_fields() {
    let (program, schema) = compile(
        "evt.Meta.a in ['x', 'y'] && not (Lower(evt.Parsed.b) == 'z') && \
         (any(File('f'), {Upper(evt.Parsed.b) contains Upper(#)}) || int(evt.Parsed.b) > 1)",
    );
    let Some(Bool::And(items)) = program.as_bool_tree() else {
        panic!("no chain")
    };
    let [Bool::Str(first), Bool::Str(second), Bool::Or(rest)] = &**items else {
        panic!("{items:?}")
    };
    let b = FieldRef::Slot(schema.get(FieldMap::Parsed, "b").unwrap());
    assert!(matches!(&first.test, Test::In(set) if set.len() == 2 && set.contains(b"x")));
    assert_eq!(second.subject.field, b);
    assert_eq!(
        second.subject.transform.steps().collect::<Vec<_>>(),
        [TextStep::Lower]
    );
    assert!(matches!(&second.test, Test::Ne(text) if &**text == b"z"));
    let [Bool::Str(file), Bool::Dyn(rest)] = &**rest else {
        panic!("{rest:?}")
    };
    let Test::AnyContains(lines) = &file.test else {
        panic!("{file:?}")
    };
    assert_eq!(&*lines.name, "f");
    assert_eq!(lines.transform, file.subject.transform);
    assert_eq!(rest.text(), "int(evt.Parsed.b) > 1");
    assert!(rest.reads().can_fail);
    assert!(program.as_bool_tree().unwrap().can_fail());
}

#[test]
fn a_compiler_with_files_shows_their_changed_lines() {
    let files = crate::fixture::files();
    let mut schema = SchemaBuilder::new();
    let mut compiler = Compiler::new(&mut schema).with_files(&files);
    let text = "any(File('words.txt'), {Upper(evt.Parsed.b) contains Upper(#)})";
    let program = compiler.compile(text, &Env::event()).unwrap();
    let Some(Bool::Str(test)) = program.as_bool_tree() else {
        panic!("no test")
    };
    let Test::AnyContains(file) = &test.test else {
        panic!("{test:?}")
    };
    assert_eq!(file.lines().unwrap(), [&b"ADMIN"[..], b"ROOT", b"SSH"]);
    let (program, _) = compile(text);
    let Some(Bool::Str(test)) = program.as_bool_tree() else {
        panic!("no test")
    };
    let Test::AnyContains(file) = &test.test else {
        panic!("{test:?}")
    };
    assert_eq!(file.lines(), None);
}

#[test]
fn loops_that_the_compiler_drew_together_are_tests_again() {
    let (program, _) = compile(
        "any(File('f'), {Upper(evt.Parsed.a) contains Upper(#)}) or any(File('f'), {evt.Parsed.b == #})",
    );
    let Some(Bool::Or(items)) = program.as_bool_tree() else {
        panic!("no chain")
    };
    let [Bool::Str(first), Bool::Str(second)] = &**items else {
        panic!("{items:?}")
    };
    assert!(matches!(first.test, Test::AnyContains(_)));
    assert!(matches!(second.test, Test::AnyEq(_)));
}

#[test]
fn declarations_and_conditions_are_looked_through() {
    let (program, _) =
        compile("let r = Lower(evt.Parsed.b); evt.Meta.a == 'x' && (r contains 'y' || len(r) > 5)");
    let tree = format!("{:?}", program.as_bool_tree().unwrap());
    assert!(tree.contains("Contains"), "{tree}");
    assert_eq!(tree.matches("len(r)").count(), 1, "{tree}");
    let (program, _) = compile("if evt.Meta.a == 'x' { evt.Meta.b == 'y' } else { false }");
    assert!(!format!("{:?}", program.as_bool_tree().unwrap()).contains("Dyn"));
    let (program, _) = compile("evt.Meta.a + 'x'");
    assert!(program.as_bool_tree().is_none());
    assert!(program.to_bool_tree().can_fail());
}

#[test]
fn explanations_name_the_part_and_what_it_saw() {
    let check = |text: &str, want: Option<&str>| {
        let found = with(&Env::event(), text, &[], |program, cx| {
            program.explain_false(cx)
        });
        assert_eq!(found.unwrap().as_deref(), want, "{text}");
    };
    check("evt.Parsed.program == 'sshd'", None);
    check(
        "evt.Parsed.program == 'sshd' && evt.Parsed.verb == \"POST\" && evt.Meta.a == 'b'",
        Some("evt.Parsed.verb == \"POST\" is false (it is \"\")"),
    );
    check(
        "evt.Meta.log_type in ['a', 'b']",
        Some("evt.Meta.log_type in ['a', 'b'] is false (it is \"ssh_failed-auth\")"),
    );
    check(
        "Upper(evt.Parsed.program) startsWith 'X'",
        Some("Upper(evt.Parsed.program) startsWith 'X' is false (it is \"SSHD\")"),
    );
    check(
        "not (evt.Parsed.program == 'sshd')",
        Some("not (evt.Parsed.program == 'sshd') is false (it is \"sshd\")"),
    );
    check(
        "not (evt.Parsed.program == 'sshd' or evt.Meta.a == 'b')",
        Some(
            "not (evt.Parsed.program == 'sshd' or evt.Meta.a == 'b') is false \
             ((evt.Parsed.program == 'sshd' or evt.Meta.a == 'b') is true)",
        ),
    );
    check(
        "evt.Parsed.program not in ['sshd']",
        Some("evt.Parsed.program not in ['sshd'] is false (it is \"sshd\")"),
    );
    check(
        "evt.Unmarshaled.json.i > 9",
        Some("evt.Unmarshaled.json.i > 9 is false (it is 5)"),
    );
    check(
        "int(evt.Parsed.nope) > 9",
        Some("int(evt.Parsed.nope) > 9 fails: invalid argument for int: invalid syntax"),
    );
    check(
        "evt.Parsed.program",
        Some("evt.Parsed.program is \"sshd\", not bool"),
    );
    check(
        "evt.Meta.a == 'x' || evt.Meta.b == 'y'",
        Some("evt.Meta.a == 'x' || evt.Meta.b == 'y' is false"),
    );
}

#[test]
fn programs_are_shared_between_threads() {
    fn is_shared<T: Send + Sync + Clone>() {}
    is_shared::<Program>();
    is_shared::<Bool>();
    is_shared::<overspill_expr::Value>();
    is_shared::<overspill_expr::Services>();
}
