use super::*;

const LINES: [&str; 3] = [
    r#"{"name":"a","user_agent":"googlebot","ips":["192.0.2.1","::ffff:192.0.2.2"]}"#,
    r#"{"name":"b","paths":["^/feed","^/rss"],"ranges":["198.51.100.7/24"]}"#,
    r#"{"Name":"c","user_agent":"bing","rdns":["(^|\\.)search\\.example$"]}"#,
];

#[test]
fn a_claim_counts_only_with_a_proof() {
    let bots = BotFile::new(&LINES).unwrap();
    for (address, agent, path, expected) in [
        ("192.0.2.1", "GoogleBot/2.1", "/", Verdict::Known),
        ("192.0.2.1:443", "Googlebot", "/", Verdict::Known),
        ("[::ffff:192.0.2.1]:443", "googlebot", "/", Verdict::Known),
        ("192.0.2.2", "googlebot", "/", Verdict::Known),
        ("192.0.2.1", "curl", "/", Verdict::Unknown),
        ("192.0.2.9", "googlebot", "/", Verdict::Unknown),
        ("198.51.100.99", "any", "/FEED/x", Verdict::Known),
        ("198.51.100.99", "any", "/x/feed", Verdict::Unknown),
        (
            "2001:db8::1%eth0",
            "bingbot",
            "/",
            Verdict::AskNames("2001:db8::1".parse().unwrap()),
        ),
        ("nonsense", "googlebot", "/", Verdict::Unknown),
        ("::1:x", "bing", "/", Verdict::Unknown),
        ("", "", "", Verdict::Unknown),
    ] {
        let verdict = bots.check(address.as_bytes(), agent.as_bytes(), path.as_bytes());
        assert_eq!(verdict, expected, "{address} {agent} {path}");
    }
}

#[test]
fn host_names_are_compared_without_case_and_final_dot() {
    let bots = BotFile::new(&LINES).unwrap();
    for (name, agent, expected) in [
        ("Crawl-1.Search.Example.", "bing", true),
        ("search.example", "bing", true),
        ("research.example", "bing", false),
        ("search.example", "curl", false),
    ] {
        assert_eq!(
            bots.is_host_known(name.as_bytes(), agent.as_bytes(), b"/"),
            expected
        );
    }
}

#[test]
fn a_bad_definition_makes_the_file_unusable() {
    let error = |line: &str| match BotFile::new(&[line]) {
        Ok(_) => "none".to_owned(),
        Err((_, err)) => err.to_string(),
    };
    for (line, expected) in [
        (r#"{"ips":["1.2.3.4"]}"#, "missing mandatory field \"name\""),
        (
            r#"{"name":"x","user_agent":"x"}"#,
            "bot \"x\" has none of ips, ranges and rdns",
        ),
        (
            r#"{"name":"x","ips":["1.2.3"]}"#,
            "invalid address \"1.2.3\"",
        ),
        (
            r#"{"name":"x","ranges":["1.2.3.4"]}"#,
            "invalid range \"1.2.3.4\"",
        ),
        (r#"{"name":"x","rdns":[""]}"#, "empty rdns pattern"),
        (
            r#"{"name":"x","rdns":["(["]}"#,
            "invalid regex in field \"rdns\"",
        ),
        (
            r#"{"name":"x","ips":["1.2.3.4"],"asn":1}"#,
            "unknown field \"asn\"",
        ),
        (r#"{"name":1}"#, "field \"name\" has the wrong type"),
        ("{", "not a JSON object"),
    ] {
        assert_eq!(error(line), expected, "{line}");
    }
}
