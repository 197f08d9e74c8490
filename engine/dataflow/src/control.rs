//! The control stream: worker 0 says when checkpoints are made, before anybody passes them.
//!
//! Its frontier follows that of the pours, one step behind: whoever counts waits for both, so worker 0
//! can choose an event time that is complete and that nobody has passed. The price is one more round of
//! progress messages before something is final; what is given at arrival does not wait.

use std::cell::Cell;
use std::rc::Rc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

use crate::checkpoint::{Announced, Checkpoints};

/// Where worker 0's control operator is told how far the pours are.
pub(crate) struct Control {
    seen: Rc<Cell<Option<u64>>>,
    told: Option<u64>,
    wake: Activator,
}

impl Control {
    /// The frontier of the pours stands here; `None` is the end.
    pub(crate) fn advance(&mut self, frontier: Option<u64>) {
        if self.told != frontier {
            self.told = frontier;
            self.seen.set(frontier);
            self.wake.activate();
        }
    }
}

/// Builds the stream. A job without checkpoints has an empty one; of the others only worker 0 speaks.
/// Nothing is said before `begin`, where the checkpoint stands that the job begins with.
pub(crate) fn control<'s>(
    scope: Scope<'s, u64>,
    checkpoints: Option<Checkpoints>,
    begin: u64,
) -> (Stream<'s, u64, Vec<Announced>>, Control) {
    let checkpoints = checkpoints.filter(|_| scope.worker().index() == 0);
    let seen = Rc::new(Cell::new(Some(0)));
    let mut builder = OperatorBuilder::new("Control".to_owned(), scope);
    let address = builder.operator_info().address;
    let wake = scope.activator_for(address);
    let (output, announced) = builder.new_output();
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Announced>>>::from(output);
    let frontier = Rc::clone(&seen);
    let mut issued = 0;
    builder.build(move |mut capabilities| {
        let mut held: Option<Capability<u64>> =
            capabilities.pop().filter(|_| checkpoints.is_some());
        move |_frontiers| {
            let (Some(checkpoints), Some(capability)) = (&checkpoints, &mut held) else {
                return;
            };
            let Some(to) = frontier.get() else {
                held = None;
                return;
            };
            if *capability.time() < begin {
                capability.downgrade(&begin);
            }
            if let Some(due) = checkpoints.due(issued, *capability.time(), to) {
                issued = due.number;
                output.activate().session(&*capability).give(due);
            }
            if to > *capability.time() {
                capability.downgrade(&to);
            }
        }
    });
    let control = Control {
        seen,
        told: Some(0),
        wake,
    };
    (announced.broadcast(), control)
}
