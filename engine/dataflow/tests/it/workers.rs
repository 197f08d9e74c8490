//! The number of workers shows nowhere, and neither does how lines arrive.

use overspill_dataflow::Output;
use proptest::prelude::*;

use crate::content::{SCENARIOS, plan};
use crate::jobs::{Given, How, config, run};
use crate::lines::{arrivals, partitions};

/// Everything a replay gives but how far it is, in order.
fn outputs(given: &Given) -> Vec<&Output> {
    let is_result = |output: &&Output| !matches!(output, Output::Final(_));
    given.outputs.iter().filter(is_result).collect()
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn a_replay_gives_the_same_in_the_same_order_at_1_2_and_4_workers(
        partitions in partitions(),
        scripts in [arrivals(), arrivals()],
        lateness_s in prop::sample::select(&[0i64, 3][..]),
    ) {
        let plan = plan(SCENARIOS);
        let how = |workers| How { lateness_ns: lateness_s * 1_000_000_000, ..How::replay(workers) };
        let one = run(&plan, &partitions, &[], how(1));
        for (workers, script) in [1, 2, 4].into_iter().zip([&scripts[0], &scripts[1], &scripts[0]]) {
            let other = run(&plan, &partitions, script, how(workers));
            prop_assert_eq!(outputs(&one), outputs(&other), "{} workers", workers);
            prop_assert_eq!(&one.stats.scenarios, &other.stats.scenarios);
            prop_assert_eq!(&one.stats.nodes, &other.stats.nodes);
        }
    }
}
