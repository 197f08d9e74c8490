//! Lists the files of `library/` so that they become part of the crate.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=library");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("library");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut list = String::from(
        "/// The files: path below the library, and content.\n\
         static FILES: &[(&str, &[u8])] = &[\n",
    );
    for file in files {
        let name = file
            .strip_prefix(&root)?
            .to_str()
            .ok_or("a file name is not UTF-8")?;
        let name = name.replace('\\', "/");
        writeln!(list, "    ({name:?}, include_bytes!({file:?})),")?;
    }
    list.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("library.rs"), list)?;
    Ok(())
}

/// All files below a directory, without those whose name begins with a dot.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
