# Index of commands. Each is one line; whatever branches is Rust in `xtask`.

# Replay the shipped sample.
demo:
    cargo run --release -- replay datasets/sample/access.log --type nginx

# Everything CI runs.
suite:
    cargo xtask suite

# What to run before a commit: format, lints, tests.
check:
    cargo xtask suite --quick

# The hub's own tests. Needs OVERSPILL_HUB or --hub DIR.
hub *ARGS:
    cargo xtask hub {{ARGS}}

# Alerts beside those of Debian's crowdsec.
diff-crowdsec *ARGS:
    cargo xtask diff-crowdsec {{ARGS}}

# Benchmarks beside Debian's crowdsec.
bench *ARGS:
    cargo xtask bench {{ARGS}}

# Fuzz every target for SECONDS each.
fuzz SECONDS="60":
    cargo xtask fuzz --seconds {{SECONDS}}
