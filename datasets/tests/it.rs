//! The generator's promises: the same bytes for the same options, and attacks as announced.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use overspill_datasets::{Command, Dataset, Generator, Kind, Options, parse_arguments, write_geo};

fn make(options: &Options) -> Dataset {
    match Dataset::in_memory(options) {
        Ok(dataset) => dataset,
        Err(error) => panic!("{options:?}: {error}"),
    }
}

fn lines(dataset: &Dataset) -> Vec<String> {
    let texts = dataset
        .parts
        .iter()
        .map(|part| String::from_utf8_lossy(part));
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Changing what a seed means invalidates every published result: raise the generator's version
/// in the manifest along with these.
#[test]
fn small_outputs_have_their_known_checksums() {
    let spread = |kind| {
        Options::new(kind)
            .lines(300)
            .seed(12)
            .partitions(3)
            .disorder_ms(2500)
            .late_ppm(20_000)
    };
    for (kind, plain, disordered) in [
        (Kind::Nginx, "3f1f7983f49192b0", "ef396f5b83b6e643"),
        (Kind::Sshd, "652f8eba5421b3dc", "67f9b4b0e7dfa986"),
        (Kind::K8s, "7e94541de759fbd5", "3948f003aa299550"),
        (Kind::K8sAudit, "38b3a21b0c8c5c35", "4bd57a038a1eed0f"),
        (Kind::Mixed, "2357d4b18d3163f6", "d416cc6375682d69"),
    ] {
        let sum = |options: &Options| make(options).manifest.files[0].sha256[..16].to_owned();
        let found = (
            sum(&Options::new(kind).lines(300).seed(11)),
            sum(&spread(kind)),
        );
        assert_eq!(
            found,
            (plain.to_owned(), disordered.to_owned()),
            "{}",
            kind.name()
        );
    }
}

#[test]
fn the_seed_decides() {
    for kind in Kind::ALL {
        let options = Options::new(kind).lines(200);
        assert_eq!(make(&options).parts, make(&options.clone()).parts);
        assert_ne!(make(&options).parts, make(&options.clone().seed(2)).parts);
    }
}

/// The folder of the samples.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample")
}

/// The options that a sample's manifest names, and the manifest.
fn sample_options(name: &str) -> (Options, String) {
    let manifest = fs::read_to_string(samples().join(format!("{name}.manifest.json"))).unwrap();
    let value: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let command = value["command"].as_str().unwrap();
    let words: Vec<String> = command.split(' ').skip(1).map(str::to_owned).collect();
    match parse_arguments(&words) {
        Ok(Command::Make { options, .. }) => (options, manifest),
        other => panic!("{command} is understood as {other:?}"),
    }
}

#[test]
fn the_samples_are_what_their_manifests_say() {
    for name in ["access.log", "auth.log", "audit.json"] {
        let (options, manifest) = sample_options(name);
        let mut dataset = make(&options);
        let stored = fs::read(samples().join(name)).unwrap();
        assert!(dataset.parts[0] == stored, "{name} is another one");
        dataset.manifest.files[0].name = name.to_owned();
        assert_eq!(dataset.manifest.to_json(), manifest, "{name}");
    }
}

#[test]
fn the_packed_sample_holds_the_plain_one() {
    let mut unpacked = Vec::new();
    GzDecoder::new(&fs::read(samples().join("access.log.gz")).unwrap()[..])
        .read_to_end(&mut unpacked)
        .unwrap();
    assert!(unpacked == fs::read(samples().join("access.log")).unwrap());
}

#[cfg(feature = "parquet")]
#[test]
fn the_parquet_sample_is_made_again_byte_by_byte() {
    let (options, _) = sample_options("access.log");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.parquet");
    overspill_datasets::write_parquet(&options, &path).unwrap();
    assert!(fs::read(path).unwrap() == fs::read(samples().join("access.parquet")).unwrap());
}

#[test]
fn the_samples_are_small() {
    let bytes: u64 = fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes < 1_500_000, "{bytes} bytes");
}

/// Two tests of the library read these.
#[test]
fn the_geoip_databases_of_the_library_are_the_ones_made_here() {
    let folder = tempfile::tempdir().unwrap();
    write_geo(folder.path()).unwrap();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library/.tests");
    for name in ["GeoLite2-City.mmdb", "GeoLite2-ASN.mmdb"] {
        let made = fs::read(folder.path().join(name)).unwrap();
        for test in ["geoip", "impossible-travel"] {
            let stored = fs::read(tests.join(test).join("data").join(name)).unwrap();
            assert!(made == stored, "{test}: {name}");
        }
    }
}

#[test]
fn campaigns_account_for_every_line_of_their_addresses() {
    let dataset = make(
        &Options::new(Kind::Nginx)
            .lines(20_000)
            .attack_ppm(200_000)
            .seed(3),
    );
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for line in lines(&dataset) {
        let address = line.split(' ').next().unwrap();
        *seen.entry(address.to_owned()).or_default() += 1;
    }
    let attackers: BTreeSet<&String> = dataset
        .manifest
        .campaigns
        .iter()
        .flat_map(|campaign| &campaign.addresses)
        .collect();
    let by_line: u64 = attackers
        .iter()
        .filter_map(|&address| seen.get(address))
        .sum();
    let by_manifest: u64 = dataset
        .manifest
        .campaigns
        .iter()
        .map(|campaign| campaign.lines)
        .sum();
    assert_eq!(by_line, by_manifest);
    assert!(
        (3600..4400).contains(&by_manifest),
        "{by_manifest} of 20000 lines are attacks"
    );
    let clients = seen.len() - attackers.iter().filter(|&&a| seen.contains_key(a)).count();
    assert!(clients > 500, "{clients} clients");
}

#[test]
fn every_kind_of_attack_has_its_turn_and_is_finished() {
    for (kind, kinds) in [
        (Kind::Nginx, 17),
        (Kind::Sshd, 7),
        (Kind::K8s, 17),
        (Kind::K8sAudit, 4),
        (Kind::Mixed, 24),
    ] {
        let dataset = make(
            &Options::new(kind)
                .lines(12_000)
                .attack_ppm(150_000)
                .rate_milli(20_000),
        );
        let complete: BTreeSet<&str> = dataset
            .manifest
            .campaigns
            .iter()
            .filter(|campaign| campaign.complete)
            .map(|campaign| campaign.kind.as_str())
            .collect();
        assert_eq!(complete.len(), kinds, "{}: {complete:?}", kind.name());
    }
}

#[test]
fn distributed_campaigns_share_a_network_or_an_account() {
    let dataset = make(&Options::new(Kind::Mixed).lines(10_000).attack_ppm(300_000));
    for campaign in &dataset.manifest.campaigns {
        match campaign.kind.as_str() {
            "distributed-bruteforce" | "ssh-distributed" => {
                let network = campaign
                    .network
                    .as_deref()
                    .unwrap()
                    .trim_end_matches("0/24");
                assert!(campaign.addresses.len() >= 6);
                assert!(
                    campaign
                        .addresses
                        .iter()
                        .all(|address| address.starts_with(network))
                );
            }
            "credential-stuffing" | "ssh-credential-stuffing" => {
                let networks: BTreeSet<&str> = campaign
                    .addresses
                    .iter()
                    .map(|a| a.rsplit_once('.').unwrap().0)
                    .collect();
                assert_eq!(networks.len(), campaign.addresses.len());
                assert!(campaign.user.is_some());
            }
            _ => assert_eq!((campaign.addresses.len(), &campaign.network), (1, &None)),
        }
    }
}

#[test]
fn partitions_split_one_stream_and_every_attacker_is_in_all_of_them() {
    let options = Options::new(Kind::Nginx)
        .lines(6000)
        .attack_ppm(200_000)
        .partitions(3);
    let dataset = make(&options);
    assert_eq!(dataset.manifest.lines, 6000);
    let parts: Vec<String> = dataset
        .parts
        .iter()
        .map(|part| String::from_utf8(part.clone()).unwrap())
        .collect();
    assert!(parts.iter().all(|part| part.lines().count() > 1200));
    let single = dataset
        .manifest
        .campaigns
        .iter()
        .filter(|c| c.addresses.len() == 1 && c.lines >= 3);
    for campaign in single {
        let start = format!("{} ", campaign.addresses[0]);
        let everywhere = parts
            .iter()
            .all(|part| part.lines().any(|line| line.starts_with(&start)));
        assert!(everywhere, "{campaign:?}");
    }
}

#[test]
fn disorder_moves_lines_and_changes_none() {
    let options = Options::new(Kind::Sshd).lines(5000).rate_milli(50_000);
    let shuffled = options.clone().disorder_ms(3000).late_ppm(10_000);
    let mut straight: Vec<String> = lines(&make(&options));
    let mut moved: Vec<String> = lines(&make(&shuffled));
    assert_ne!(straight, moved);
    straight.sort_unstable();
    moved.sort_unstable();
    assert_eq!(straight, moved);
    let (mut newest, mut late) = (i64::MIN, 0);
    for line in Generator::new(&shuffled).unwrap() {
        newest = newest.max(line.time_us);
        late += u32::from(newest - line.time_us > 3_000_000);
        assert!(newest - line.time_us <= 30_000_000);
    }
    assert!((10..200).contains(&late), "{late} of 5000 are late");
}

#[test]
fn the_pace_is_about_the_one_asked_for() {
    for kind in Kind::ALL {
        let options = Options::new(kind).lines(30_000).rate_milli(60_000);
        let times: Vec<i64> = Generator::new(&options)
            .unwrap()
            .map(|line| line.time_us)
            .collect();
        assert!(times.is_sorted());
        let seconds = (times[times.len() - 1] - times[0]) / 1_000_000;
        assert!(
            (350..650).contains(&seconds),
            "{}: {seconds} s for 500",
            kind.name()
        );
    }
}

#[test]
fn audit_events_are_json_with_the_fields_of_an_api_server() {
    let dataset = make(&Options::new(Kind::K8sAudit).lines(2000).attack_ppm(300_000));
    for line in lines(&dataset) {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        for key in [
            "auditID",
            "verb",
            "user",
            "sourceIPs",
            "objectRef",
            "requestReceivedTimestamp",
        ] {
            assert!(!event[key].is_null(), "{key} is missing in {line}");
        }
    }
}

#[test]
fn any_valid_options_give_exactly_the_lines_asked_for() {
    let pick = |n: u64, list: &[u64]| list[(n % list.len() as u64) as usize];
    for n in 0..120 {
        let options = Options::new(Kind::ALL[(n % 5) as usize])
            .seed(n)
            .lines(pick(n / 5, &[1, 7, 150]))
            .rate_milli(pick(n / 3, &[1, 900, 1_000_000_000]))
            .clients(pick(n / 2, &[1, 40]))
            .attackers(pick(n, &[1, 3]))
            .attack_ppm(pick(n / 7, &[0, 10_000, 900_000]))
            .partitions(pick(n, &[1, 2, 5]))
            .disorder_ms(pick(n / 4, &[0, 1, 100_000]))
            .late_ppm(pick(n / 6, &[0, 500_000, 1_000_000]));
        let dataset = make(&options);
        assert_eq!(
            lines(&dataset).len() as u64,
            dataset.manifest.lines,
            "{options:?}"
        );
        assert_eq!(
            dataset.manifest.lines,
            pick(n / 5, &[1, 7, 150]),
            "{options:?}"
        );
    }
}
