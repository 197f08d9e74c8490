//! One filter on one event: by the tree of tests, and by the general evaluator.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops when its input is wrong"
)]

use divan::Bencher;
use overspill_event::{Event, FieldMap, SchemaBuilder};
use overspill_expr::{Compiler, Context, Env, NoStash, Program, Services};
use overspill_golike::time::Time;

fn main() {
    divan::main();
}

const FIELD: &str = "evt.Meta.log_type == 'http_access-log'";
const SET: &str = "evt.Meta.log_type in ['http_access-log', 'http_error-log'] && evt.Parsed.verb in ['GET', 'HEAD']";
const TEXT: &str =
    "Lower(evt.Meta.http_path) contains '/wp-login.php' and evt.Parsed.verb == 'POST'";
const PREFIX: &str = "evt.Meta.service == 'http' && (evt.Meta.http_status startsWith '4' || evt.Meta.http_path endsWith '.env')";
const REGEX: &str = "evt.Meta.http_path matches '^/[a-z]+/(login|admin)\\\\.php$'";
const LIST: &str =
    "any(['/.git', '/.env', '/etc/passwd', '/.aws'], {evt.Meta.http_path contains #})";

const FILTERS: [(&str, &str); 6] = [
    ("field", FIELD),
    ("set", SET),
    ("text", TEXT),
    ("prefix", PREFIX),
    ("regex", REGEX),
    ("list", LIST),
];

fn names() -> impl Iterator<Item = &'static str> {
    FILTERS.iter().map(|(name, _)| *name)
}

fn run(
    bencher: Bencher<'_, '_>,
    name: &str,
    evaluate: impl Fn(&Program, &mut Context<'_>) -> bool,
) {
    let (_, text) = FILTERS.iter().find(|(known, _)| *known == name).unwrap();
    let mut schema = SchemaBuilder::new();
    let program = Compiler::new(&mut schema)
        .compile(text, &Env::event())
        .unwrap();
    let mut event = Event::new(schema.freeze());
    for (map, field, value) in [
        (FieldMap::Meta, "log_type", "http_access-log"),
        (FieldMap::Meta, "service", "http"),
        (FieldMap::Meta, "http_status", "200"),
        (FieldMap::Meta, "http_path", "/shop/articles/4711/reviews"),
        (FieldMap::Parsed, "verb", "GET"),
    ] {
        event.set_named(map, field.as_bytes(), value.as_bytes());
    }
    let services = Services::none();
    let mut stash = NoStash;
    let mut cx = Context {
        evt: Some(&mut event),
        vars: &[],
        stash: &mut stash,
        services: &services,
        now: Time::ZERO,
    };
    bencher.bench_local(|| evaluate(&program, &mut cx));
}

#[divan::bench(args = names(), sample_size = 1_000)]
fn tree(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, |program, cx| program.eval_bool(cx).unwrap());
}

#[divan::bench(args = names(), sample_size = 1_000)]
fn general(bencher: Bencher<'_, '_>, name: &str) {
    run(bencher, name, |program, cx| {
        program.eval_bool_reference(cx).unwrap()
    });
}
