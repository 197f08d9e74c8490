//! What a test keeps of its run: each node of each line, and each pour.

use std::sync::{Arc, Mutex, PoisonError};

use overspill_dataflow::record::{LineObserver, Recorder};
use overspill_event::{Event, Position};
use overspill_matcher::Hit;
use overspill_parser::{Node, Observer, Outcome};

/// One top-level node that was evaluated.
#[derive(Debug, Clone)]
pub struct NodeResult {
    /// The line.
    pub position: Position,
    /// Rank within the line: lines first, then their overflows, each in order of evaluation.
    pub rank: (u32, u32),
    /// Stage.
    pub stage: Arc<str>,
    /// Name of the node.
    pub node: Arc<str>,
    /// The event after the node.
    pub event: Arc<Event>,
    /// Whether it succeeded.
    pub success: bool,
}

/// Keeps everything; a test's log is short.
#[derive(Debug, Default)]
pub struct TestRecorder {
    nodes: Arc<Mutex<Vec<NodeResult>>>,
}

impl TestRecorder {
    /// Everything that was evaluated, in the order of lines.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeResult> {
        let mut nodes = self
            .nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        nodes.sort_by_key(|node| (node.position, node.rank));
        nodes
    }
}

struct LineRecorder {
    nodes: Arc<Mutex<Vec<NodeResult>>>,
    position: Position,
    part: u32,
    next: u32,
}

impl Recorder for TestRecorder {
    fn line(&self, position: Position) -> Box<dyn LineObserver> {
        Box::new(LineRecorder {
            nodes: Arc::clone(&self.nodes),
            position,
            part: 0,
            next: 0,
        })
    }

    fn overflow(&self, position: Position, _scenario: &str) -> Box<dyn LineObserver> {
        Box::new(LineRecorder {
            nodes: Arc::clone(&self.nodes),
            position,
            part: 1,
            next: 0,
        })
    }

    fn poured(&self, _event: &Event, _hits: &[Hit]) {}
}

impl Observer for LineRecorder {
    fn node(&mut self, stage: &str, node: &Node, event: &Event, success: bool) {
        let result = NodeResult {
            position: self.position,
            rank: (self.part, self.next),
            stage: stage.into(),
            node: Arc::clone(&node.name),
            event: Arc::new(event.clone()),
            success,
        };
        self.next += 1;
        self.nodes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(result);
    }
}

impl LineObserver for LineRecorder {
    fn done(&mut self, _event: &Event, _outcome: &Outcome) {}
}
