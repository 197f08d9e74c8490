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

# CPU a line beside other programs.
bench *ARGS:
    cargo xtask bench {{ARGS}}

# What lines cost that are made to hurt.
hostile *ARGS:
    cargo xtask bench --hostile {{ARGS}}

# Live jobs from Kafka to alerts.
live *ARGS:
    cargo xtask bench --live {{ARGS}}

# Instructions a line against benches/gate.toml.
gate *ARGS:
    cargo xtask gate {{ARGS}}

# Live jobs while everything goes wrong.
chaos *ARGS:
    cargo xtask chaos {{ARGS}}

# Fuzz every target for SECONDS each.
fuzz SECONDS="60":
    cargo xtask fuzz --seconds {{SECONDS}}
