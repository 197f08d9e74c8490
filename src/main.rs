//! The `overspill` command: parses flags, calls one subcommand, turns an error into an exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    overspill::cli::main(std::env::args_os())
}
