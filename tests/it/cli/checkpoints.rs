//! `overspill checkpoint` on stores that are whole, damaged, empty and absent.

use std::sync::Arc;

use overspill_checkpoint::{
    Layout, ManifestParts, Opaque, RestartPoint, SegmentId, SegmentWriter, Settings, Vault,
    open_store,
};

use super::{Dir, run};

/// A store with a generation (1) and checkpoints (2, 3), as of one and two seconds after 1970.
fn store(dir: &Dir) -> String {
    let path = dir.path("checkpoints");
    let store = open_store(&path).unwrap();
    let mut generation = Vault::open(Arc::clone(&store), Settings::default())
        .begin_generation(0)
        .unwrap();
    let mut since_ns = None;
    for as_of_ns in [1_000_000_000, 2_000_000_000] {
        let id = SegmentId {
            generation: 1,
            as_of_ns,
            process: 0,
        };
        let mut writer = SegmentWriter::new(Arc::clone(&store), id, since_ns);
        writer.add(0, 7, &as_of_ns.to_le_bytes()).unwrap();
        let point = RestartPoint {
            position: Opaque(vec![1]),
            resume_from: 1_234,
            clock_max_ns: as_of_ns,
            clock_n_in_tick: 0,
            is_left: false,
        };
        let parts = ManifestParts {
            as_of_ns,
            layout: Layout {
                processes: 1,
                workers: 2,
            },
            content: vec!["crowdsecurity/ssh-bf 0123".to_owned()],
            partitions: [("file".to_owned(), [("/var/log/a".to_owned(), point)].into())].into(),
            hash_key: Opaque(b"secret".to_vec()),
            ..ManifestParts::default()
        };
        generation
            .commit(parts, &[writer.finish().unwrap()])
            .unwrap();
        since_ns = Some(as_of_ns);
    }
    path
}

#[test]
fn checkpoints_are_listed_shown_and_verified() {
    let dir = Dir::new();
    let store = store(&dir);
    let list = run(&["checkpoint", "list", &store]);
    list.is(0, "1970-01-01 00:00:02", "")
        .is(0, "checkpoint of 1", "");
    let json = run(&["checkpoint", "list", &store, "-o", "json"]).json();
    assert_eq!(json[0]["kind"], "generation");
    assert_eq!(json[2]["as_of_ns"], 2_000_000_000_u64);
    let csv = run(&["checkpoint", "list", &store, "-o", "raw"]);
    csv.is(0, "number,what,event time,made,bytes,segments,\n1,", "");
    let inspect = run(&["checkpoint", "inspect", &store]);
    inspect
        .is(
            0,
            "checkpoint 3 of generation 1, as of 1970-01-01 00:00:02",
            "",
        )
        .is(0, "/var/log/a", "")
        .is(0, "content: crowdsecurity/ssh-bf 0123", "");
    let json = run(&["checkpoint", "inspect", &store, "2", "-o", "json"]);
    let document = json.json();
    let point = &document["job"]["partitions"]["file"]["/var/log/a"];
    assert_eq!(point["resume_from"], 1_234);
    assert!(!json.out.contains("hash_key"), "{}", json.out);
    run(&["checkpoint", "verify", &store]).is(0, "checkpoint 3: whole, 8 bytes read", "");
}

#[test]
fn damage_is_told_and_fails() {
    let dir = Dir::new();
    let store = store(&dir);
    let segment = format!("{store}/segments/00000000000000000001/2000000000-p0-0");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[21] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    std::fs::write(format!("{store}/log/00000000000000000002.manifest"), b"x").unwrap();
    let verify = run(&["checkpoint", "verify", &store]);
    verify
        .is(1, "checkpoint 3: 1 damaged", "")
        .is(1, "group 7 of stage 0 in segments/", "")
        .is(1, "checksum of the record at byte 8 is wrong", "")
        .is(
            1,
            "log/00000000000000000002.manifest is damaged: not a manifest",
            "",
        );
    let json = run(&["checkpoint", "verify", &store, "-o", "json"]).json();
    assert_eq!(json[1]["number"], 3);
    std::fs::remove_file(&segment).unwrap();
    run(&["checkpoint", "list", &store]).is(0, "segments are missing", "");
    run(&["checkpoint", "inspect", &store]).is(1, "", "no checkpoint in ");
}

#[test]
fn what_is_not_there_is_said_and_nothing_is_made() {
    let dir = Dir::new();
    let absent = dir.path("absent");
    run(&["checkpoint", "list", &absent]).is(1, "", "no checkpoints can be read there: open ");
    assert!(!std::path::Path::new(&absent).exists());
    let empty = dir.path("");
    run(&["checkpoint", "list", &empty]).is(1, "", "it should have folders log/ and segments/");
    let store = store(&dir);
    run(&["checkpoint", "inspect", &store, "9"]).is(
        1,
        "",
        "there is no checkpoint 9; overspill checkpoint list shows which are",
    );
    #[cfg(not(feature = "object-store"))]
    run(&["checkpoint", "list", "s3://a/b"]).is(
        1,
        "",
        "needs a build with --features object-store",
    );
}
