//! Many files, few of them open.

use std::os::unix::fs::MetadataExt;

use super::*;

/// Open files of this process below a directory.
fn n_open_below(dir: &Path) -> usize {
    fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|path| path.starts_with(dir)))
        .count()
}

#[test]
fn ten_thousand_files_are_followed_with_sixteen_of_them_open() {
    const FILES: usize = 10_000;
    let logs = Logs::new();
    for n in 0..FILES {
        logs.write(&format!("{n}.log"), &format!("first {n}\n"));
    }
    let config = TailConfig {
        open_files_max: 16,
        ..logs.config("*.log")
    };
    let mut source = TailSource::new(config.clone(), Resume::First, system_clock());
    let mut outlet = Checked::default();
    outlet.until_lines(&mut source, FILES);
    assert!(n_open_below(logs.0.path()) <= 16);
    for n in (0..FILES).step_by(100) {
        logs.write(&format!("{n}.log"), &format!("second {n}\n"));
    }
    // Renamed while its handle is closed: found by its inode.
    logs.write("77.log", "last 77\n");
    let inode = fs::metadata(logs.path("77.log")).unwrap().ino();
    logs.rename("77.log", "77.log.1");
    logs.write("77.log", "anew 77\n");
    assert_ne!(fs::metadata(logs.path("77.log")).unwrap().ino(), inode);
    outlet.until_lines(&mut source, FILES + FILES / 100 + 2);
    assert_eq!(
        outlet.texts_of("/77.log"),
        ["first 77", "last 77", "anew 77"]
    );
    assert!(n_open_below(logs.0.path()) <= 16);
    let mut again = TailSource::new(
        config,
        Resume::From(outlet.positions.clone()),
        system_clock(),
    );
    logs.write("9999.log", "after 9999\n");
    let mut second = Checked::default();
    second.until_lines(&mut again, 1);
    assert_eq!(second.texts(), ["after 9999"]);
    assert_eq!(again.counters().get(Count::PositionsLost), 0);
}
