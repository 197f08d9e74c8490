//! One event with something in every corner, and the check that all tables go through.

use std::collections::BTreeMap;
use std::sync::Arc;

use overspill_event::{
    Event, FieldMap, Origin, Position, Schema, SchemaBuilder, TextField, Tree, TreeMap,
};
use overspill_expr::{
    Bytes, Compiler, Context, DataFiles, DataKind, Env, EvalError, Program, Services, Stash, Value,
};
use overspill_golike::time::{Time, parse_rfc3339};

/// What `TimeNow()` answers in tests.
pub(crate) const NOW: &str = "2026-03-04T05:06:07Z";

/// A stash with one entry.
pub(crate) struct OneStash;

impl Stash for OneStash {
    fn get(&mut self, cache: &[u8], key: &[u8], _now: Time) -> Option<Bytes> {
        (cache == b"users" && key == b"7").then(|| Bytes::from(&b"alice"[..]))
    }
}

pub(crate) fn time(text: &str) -> Time {
    parse_rfc3339(text.as_bytes()).unwrap()
}

fn text(text: &str) -> Tree {
    Tree::Str(Arc::from(text.as_bytes()))
}

fn tree(entries: &[(&str, Tree)]) -> TreeMap {
    entries
        .iter()
        .map(|(key, value)| (Box::from(key.as_bytes()), value.clone()))
        .collect()
}

fn map(entries: &[(&str, Tree)]) -> Tree {
    Tree::Map(Arc::new(tree(entries)))
}

fn list(items: &[Tree]) -> Tree {
    Tree::List(Arc::new(items.to_vec()))
}

/// The event of the tables.
pub(crate) fn event(schema: &Arc<Schema>) -> Event {
    let mut event = Event::new(Arc::clone(schema));
    let origin = Origin {
        src: "/var/log/x.log".to_owned(),
        module: "file".to_owned(),
        labels: vec![("type".to_owned(), "syslog".to_owned())],
    };
    event.begin_line(&origin, b"a raw line", Position::default());
    event.time = time("2026-03-07T23:30:00+02:00");
    let fields = [
        (FieldMap::Parsed, "program", "sshd"),
        (FieldMap::Parsed, "empty", ""),
        (FieldMap::Parsed, "number", "42"),
        (FieldMap::Parsed, "message", "Failed password for Root"),
        (FieldMap::Parsed, "bytes", "x"),
        (FieldMap::Parsed, "uri", "/a%20b/..%2Fetc"),
        (FieldMap::Meta, "source_ip", "1.2.3.4"),
        (FieldMap::Meta, "log_type", "ssh_failed-auth"),
        (FieldMap::Meta, "http_path", "/Admin/Login.php"),
        (FieldMap::Enriched, "IsoCode", "FR"),
    ];
    for (map, name, value) in fields {
        event.set_named(map, name.as_bytes(), value.as_bytes());
    }
    event.set_named(FieldMap::Parsed, b"invalid", b"a\xffb");
    event.set_text(TextField::StrTime, b"Mar  7 23:30:00");
    let strings: BTreeMap<Box<[u8]>, Bytes> =
        [(Box::from(&b"user"[..]), Bytes::from(&b"bob,"[..]))].into();
    *event.tree_mut() = tree(&[
        (
            "json",
            map(&[
                ("s", text("str")),
                ("i", Tree::Float(5.0)),
                ("big", Tree::Float(1_234_567.0)),
                ("f", Tree::Float(2.5)),
                ("t", Tree::Bool(true)),
                ("n", Tree::Null),
                ("l", list(&[text("a"), text("b"), Tree::Float(3.0)])),
                ("ints", list(&[Tree::Float(1.0), Tree::Float(2.0)])),
                (
                    "objects",
                    list(&[
                        map(&[
                            ("name", text("a")),
                            ("value", map(&[("login", text("bob"))])),
                        ]),
                        map(&[("name", text("b"))]),
                    ]),
                ),
                ("dotted.key", text("d")),
                ("deep", map(&[("er", map(&[("est", text("x"))]))])),
            ]),
        ),
        ("kv", Tree::Strings(Arc::new(strings))),
    ]);
    event
}

/// Data files of the tables.
pub(crate) fn files() -> DataFiles {
    let mut builder = DataFiles::builder();
    let add = |builder: &mut overspill_expr::DataFilesBuilder, name, kind, text: &str| {
        builder.add(name, kind, text.as_bytes()).unwrap();
    };
    add(
        &mut builder,
        "ranges.txt",
        DataKind::Strings,
        "10.0.0.0/8\nno range\n192.168.1.7/32\n::ffff:172.16.0.0/108\nfd00::/8\n1.2.3.4\n",
    );
    add(
        &mut builder,
        "words.txt",
        DataKind::Strings,
        "# comment\nadmin\n\nroot\nssh\n",
    );
    add(
        &mut builder,
        "paths.txt",
        DataKind::Strings,
        "/Admin\n/etc/passwd\n",
    );
    add(
        &mut builder,
        "agents.txt",
        DataKind::Regexps,
        "^curl/\nsqlmap\n",
    );
    let rows = "{\"pattern\":\"/exact\",\"tag\":\"one\",\"type\":\"equals\"}\n\
                {\"pattern\":\"part\",\"tag\":\"two\",\"type\":\"contains\"}\n\
                {\"pattern\":\"^/re.x$\",\"tag\":\"three\",\"type\":\"regex\"}\n";
    add(&mut builder, "map.json", DataKind::Map, rows);
    builder.build()
}

/// Services with the data files of the tables.
pub(crate) fn services() -> Services {
    Services {
        files: Arc::new(files()),
        hostname: "host".to_owned(),
        ..Services::none()
    }
}

/// Runs something with a program and the event.
pub(crate) fn with<T>(
    env: &Env,
    expression: &str,
    vars: &[Value],
    run: impl FnOnce(&Program, &mut Context<'_>) -> T,
) -> Result<T, overspill_expr::CompileError> {
    let mut schema = SchemaBuilder::new();
    let program = Compiler::new(&mut schema).compile(expression, env)?;
    let mut event = event(&schema.freeze());
    let services = services();
    let mut cx = Context {
        evt: Some(&mut event),
        vars,
        stash: &mut OneStash,
        services: &services,
        now: time(NOW),
    };
    Ok(run(&program, &mut cx))
}

/// The result of an expression in words.
pub(crate) fn result(env: &Env, expression: &str, vars: &[Value]) -> String {
    let outcome = with(env, expression, vars, |program, cx| {
        let fast = program.eval_bool(cx);
        let plain = program.eval_bool_reference(cx);
        let is_writing = program.reads().effects;
        if !is_writing {
            assert_eq!(fast, plain, "fast and general evaluation of {expression}");
        }
        let value = program.eval(cx);
        if value.is_err() {
            assert!(program.reads().can_fail, "{expression} failed unannounced");
        }
        let mut out = b"kept".to_vec();
        let text = program.eval_str(cx, &mut out);
        match (&value, text) {
            (Ok(Value::Str(bytes)), Ok(true)) => assert_eq!(out[4..], **bytes, "{expression}"),
            (Ok(value), Ok(false)) => {
                assert!(!matches!(value, Value::Str(_)), "{expression}");
                assert_eq!(out, b"kept");
            }
            (Err(_), Err(_)) => assert_eq!(out, b"kept"),
            other => panic!("eval_str of {expression}: {other:?}"),
        }
        value
    });
    match outcome {
        Err(_) => "refused".to_owned(),
        Ok(Err(EvalError::Budget)) => "over budget".to_owned(),
        Ok(Err(_)) => "error".to_owned(),
        Ok(Ok(value)) => words(&value),
    }
}

/// A value in words.
pub(crate) fn words(value: &Value) -> String {
    let shown = |value: &Value| String::from_utf8_lossy(&value.text()).into_owned();
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Str(bytes) => format!("{:?}", String::from_utf8_lossy(bytes)),
        Value::Float(number) => format!("{number:?}"),
        Value::Sized(number, kind) => format!("{} {number}", kind.type_name()),
        Value::Duration(_) => shown(value),
        Value::List(list) => {
            let items: Vec<String> = list.iter().map(|item| words(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entry = |(key, value): &(Bytes, Value)| {
                format!("{}: {}", String::from_utf8_lossy(key), words(value))
            };
            let entries: Vec<String> = map.entries().iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Pointer(inner) => format!("&{}", words(inner)),
        Value::Event(_) | Value::Object(_) => format!("<{}>", value.type_name()),
        Value::Bool(_) | Value::Int(_) | Value::Float32(_) | Value::Time(_) => shown(value),
    }
}

/// Checks a table of expressions over `evt`; all failures are shown at once.
pub(crate) fn check(cases: &[(&str, &str)]) {
    check_in(&Env::event(), &[], cases);
}

/// Checks a table in some other environment.
pub(crate) fn check_in(env: &Env, vars: &[Value], cases: &[(&str, &str)]) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|(expression, want)| {
            let found = result(env, expression, vars);
            (found != *want).then(|| format!("{expression}\n  want {want}\n  have {found}"))
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}
