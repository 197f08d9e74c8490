//! The small commands: each works, has help with an example, and ends as it should.

use super::{Dir, request, run};

#[test]
fn every_command_has_help_with_an_example() {
    let commands: [&[&str]; 16] = [
        &["replay"],
        &["run"],
        &["explain"],
        &["hubtest"],
        &["config"],
        &["config", "check"],
        &["config", "show"],
        &["checkpoint"],
        &["checkpoint", "list"],
        &["checkpoint", "inspect"],
        &["checkpoint", "verify"],
        &["decisions"],
        &["decisions", "log"],
        &["version"],
        &["completion"],
        &["man"],
    ];
    for command in commands {
        let example = format!("overspill {}", command.join(" "));
        let help = run(&[command, &["--help"]].concat());
        help.is(0, "Usage: ", "");
        let after = help
            .out
            .rsplit_once("Example")
            .unwrap_or_else(|| panic!("{example}"));
        assert!(after.1.contains(&example), "{}", help.out);
    }
}

#[test]
fn without_a_command_there_is_help() {
    run(&[]).is(0, "Commands:", "");
    run(&["help"]).is(0, "Commands:", "");
    run(&["config"]).is(0, "Commands:", "");
    run(&["nonsense"]).is(2, "", "nonsense");
}

#[test]
fn a_decision_log_that_is_not_there_is_said() {
    let dir = Dir::new();
    let state = dir.path("");
    run(&["decisions", "log", "--state", &state]).is(1, "", "there is no decision log in");
    dir.file("decisions/lines-0000000000000000", "{\"generation\":1}\n");
    run(&["decisions", "log", "--state", &state]).is(0, "nothing is decided", "");
    run(&["decisions", "log", "--state", &state]).is(0, "next: --since 1:0", "");
    for (since, error) in [("1", "GENERATION:NUMBER"), ("7:1", "does not reach back")] {
        run(&["decisions", "log", "--state", &state, "--since", since]).is(1, "", error);
    }
}

#[test]
fn version_completion_and_manual() {
    let version = format!("overspill {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["version"]).out, version);
    assert_eq!(run(&["--version"]).out, version);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(&["completion", shell]);
        script.is(0, "hubtest", "");
        assert!(script.out.contains("reference-matcher"), "{shell}");
    }
    run(&["completion", "tcsh"]).is(2, "", "possible values");
    run(&["man"]).is(0, ".TH overspill 1", "");
    let page = run(&["man", "replay"]);
    page.is(0, ".TH overspill-replay 1", "");
    assert!(page.out.contains("buckets\\-max"), "{}", page.out);
    run(&["man", "nonsense"]).is(1, "", "there is no command \"nonsense\"");
}

#[test]
fn config_show_has_every_default_and_single_keys() {
    run(&["config", "show"]).is(0, "content: the built-in library", "");
    run(&["config", "show", "--effective"]).is(0, "limits.line: 65536\n", "");
    assert_eq!(
        run(&["config", "show", "--key", "limits.line"]).out,
        "65536\n"
    );
    run(&["config", "show", "--key", "limits.lines"]).is(1, "", "there is no key");
    let json = run(&["config", "show", "--effective", "-o", "json"]).json();
    assert_eq!(json["workers"], "1");
}

#[test]
fn explain_tells_the_reasons() {
    let line = request(0, "/wp-login.php");
    let line = line.trim_end();
    let args = ["explain", "-v", "--type", "nginx", "--log", line];
    let ran = run(&args);
    ran.is(
        0,
        "evt.Enriched.ASNNumber not in ['', '0'] is false (it is \"\")",
        "",
    );
    // What the engine set before is no parser's doing.
    let first = ran.out.lines().nth(2).unwrap();
    assert!(first.contains("overspill/cri (unchanged)"), "{first}");
    assert!(!ran.out.contains("create evt.Stage"), "{}", ran.out);
    // A filter that decodes into the event is explained, too, and on one line.
    let reason = "evt.Parsed.program == 'k8s-audit' is false (it is \"nginx\")";
    assert!(ran.out.contains(reason), "{}", ran.out);
    assert!(!ran.out.contains('\u{fffd}'), "{}", ran.out);
}

#[test]
fn explain_speaks_json_and_csv() {
    let line = request(0, "/a");
    let line = line.trim_end();
    let json = run(&["explain", "--type", "nginx", "--log", line, "-o", "json"]).json();
    assert_eq!(json[0]["outcome"], "parser success");
    assert_eq!(json[0]["raw"], line);
    let parsers = json[0]["parsers"].as_array().unwrap();
    let nginx = parsers
        .iter()
        .find(|node| node["name"] == "overspill/nginx");
    assert_eq!(nginx.unwrap()["success"], true);
    let raw = run(&[
        "explain",
        "--type",
        "nginx",
        "--log",
        "hello, you",
        "-o",
        "raw",
    ]);
    let expected = "line,outcome,whitelisted,poured,raw\n\
                    1,parser failure in s01-parse,,,\"hello, you\"\n";
    assert_eq!(raw.out, expected);
}

#[test]
fn a_whitelisted_line_is_no_success() {
    let line = request(0, "/a").replace("203.0.113.9", "10.0.0.1");
    let ran = run(&["explain", "--type", "nginx", "--log", line.trim_end()]);
    ran.is(0, "whitelisted: local address", "");
    assert!(!ran.out.contains("parser success"), "{}", ran.out);
}

#[test]
fn hubtest_create_names_parsers_that_exist() {
    let node = |name: &str| format!("name: {name}\nstatics: [{{parsed: message, value: x}}]\n");
    let skeleton = |items: &[&str]| {
        let dir = Dir::new();
        for (path, name) in items.iter().map(|item| item.split_once(' ').unwrap()) {
            dir.file(path, node(name));
        }
        let hub = dir.path("");
        let made = [
            "hubtest",
            "create",
            "t",
            "--type",
            "x",
            "--parsers",
            "me/x",
            "--hub",
            &hub,
        ];
        run(&made).is(0, "", "made ");
        run(&made).is(1, "", "exists already");
        let text = std::fs::read_to_string(dir.path(".tests/t/config.yaml")).unwrap();
        text.split("scenarios:").next().unwrap().to_owned()
    };
    assert_eq!(
        skeleton(&[
            "parsers/s00-raw/me/syslog.yaml me/syslog",
            "parsers/s02-enrich/me/dateparse.yaml me/dateparse",
        ]),
        "parsers:\n- me/syslog\n- me/dateparse\n- me/x\n"
    );
    assert_eq!(
        skeleton(&[
            "parsers/s00-raw/crowdsecurity/syslog-logs.yaml crowdsecurity/syslog-logs",
            "parsers/s02-enrich/crowdsecurity/dateparse-enrich.yaml crowdsecurity/dateparse-enrich",
        ]),
        "parsers:\n- crowdsecurity/syslog-logs\n- crowdsecurity/dateparse-enrich\n- me/x\n"
    );
}
