//! What a live job begins with: its processes, and the newest checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::Sender;
use overspill_bucket::{KEY_GROUPS, group_owner};
use overspill_checkpoint as store;
use overspill_checkpoint::{PieceKey, Settings as VaultSettings, Vault, open_store};
use overspill_connectors::source::Clock;
use overspill_dataflow::Socket;
use overspill_dataflow::checkpoint::{Groups, Restored};
use overspill_peers::{Generation, Meeting};

use super::cluster::{self, Brief, Cluster, Hello};
use super::keeper::{Keeper, Kept};
use super::loss::{LOST_WAIT, ends_as_well};
use super::{Config, Word};
use crate::link;
use crate::wire::chain;

/// A job that may begin.
pub(super) struct Begun {
    /// This process, and how many there are.
    pub(super) index: usize,
    pub(super) n: usize,
    /// Which run of the job it is.
    pub(super) generation: u64,
    /// Connections to the others.
    pub(super) sockets: Vec<Option<Box<dyn Socket>>>,
    /// Set when one of them has ended.
    pub(super) is_lost: Arc<AtomicBool>,
    /// Where checkpoints are.
    pub(super) vault: Option<Vault>,
    /// Makes them, in process 0.
    pub(super) keeper: Option<Keeper>,
    pub(super) kept: Kept,
    pub(super) found: Option<store::Restored>,
    /// Whether this process reads what only its machine can read: one of each machine does.
    pub(super) reads_node: bool,
}

impl Begun {
    /// What it goes on from.
    pub(super) fn resumed(&self) -> Option<Word> {
        let manifest = self.found.as_ref()?.manifest();
        Some(Word::Resumed {
            number: manifest.number,
            upto_ns: manifest.parts.as_of_ns,
            n_partitions: self.kept.points.len(),
        })
    }

    /// Takes up the checkpoint that was found, if one was.
    fn take_up(&mut self, found: Option<store::Restored>) -> Result<()> {
        if let Some(found) = &found {
            self.kept = Kept::of(found)?;
        }
        self.found = found;
        Ok(())
    }

    /// The key groups of this process's workers.
    pub(super) fn restored(&self, workers: usize) -> Result<Option<Restored>> {
        let Some(found) = &self.found else {
            return Ok(None);
        };
        // What changed comes after what it changed, in the order of its moments.
        let mut found_pieces: BTreeMap<PieceKey, Vec<u8>> = BTreeMap::new();
        let is_ours = |group: u16| {
            group < KEY_GROUPS && group_owner(group, workers * self.n) / workers == self.index
        };
        found
            .read::<store::CheckpointError>(
                |key| key.of_group().is_some_and(|(_, group)| is_ours(group)),
                |piece| {
                    found_pieces.insert(piece.key, piece.bytes.to_vec());
                    Ok(())
                },
            )
            .map_err(|error| anyhow!(chain(&error)))
            .context("read the checkpoint")?;
        let mut groups = Groups::new();
        for (key, bytes) in found_pieces {
            if let Some(group) = key.of_group() {
                groups.entry(group).or_default().push(bytes);
            }
        }
        Ok(Some(Restored::new(found.manifest().parts.as_of_ns, groups)))
    }
}

/// Brings the processes together, and finds the newest checkpoint. None when the job is to end before that.
pub(super) fn begin(
    config: &Config,
    clock: &Clock,
    words: &Sender<Word>,
    hear: &mut dyn FnMut(),
) -> Result<Option<Begun>> {
    let vault = config.checkpoints.as_deref().map(open).transpose()?;
    let index = config.cluster.as_ref().map_or(0, |cluster| cluster.index);
    let now_ns = clock();
    let ours = vault.as_ref().filter(|_| index == 0);
    let mut keeper = ours
        .map(|vault| Keeper::begin(vault, now_ns, &config.meters))
        .transpose()?;
    let mut begun = Begun {
        index,
        n: 1,
        generation: keeper.as_ref().map_or(0, Keeper::generation),
        sockets: Vec::new(),
        is_lost: Arc::default(),
        vault,
        keeper: None,
        kept: Kept::default(),
        found: None,
        reads_node: true,
    };
    let brief = match &config.cluster {
        None => decide(&mut keeper, vec![config.node.clone()], &mut begun, words)?,
        Some(cluster) => {
            let generation = match &keeper {
                Some(keeper) => Generation::Given(keeper.generation()),
                None if index == 0 => Generation::Given(u64::try_from(now_ns).unwrap_or(1)),
                None => Generation::Learnt { at_least: 0 },
            };
            let stop = &config.settings.stop;
            let meeting = cluster::meet(cluster, generation, stop, words, hear)?;
            let Some(meeting) = meeting else {
                return Ok(None);
            };
            match join(config, cluster, meeting, &mut keeper, &mut begun, words) {
                Ok(brief) => brief,
                Err(error) if ends_as_well(&error, stop, LOST_WAIT) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    };
    if let Some((from, to)) = &brief.renamed {
        begun.kept.rename_node(from, to, keeper.as_mut());
        let text = format!(
            "this machine is called {to:?}, and was {from:?} at the checkpoint: it goes on where {from:?} was"
        );
        let _no_room = words.try_send(Word::Trouble(text));
    }
    let first = brief.nodes.iter().position(|node| *node == config.node);
    begun.reads_node = first == Some(index);
    begun.keeper = keeper;
    Ok(Some(begun))
}

fn open(address: &str) -> Result<Vault> {
    let store = open_store(address).map_err(|error| anyhow!(chain(&error)))?;
    Ok(Vault::open(store, VaultSettings::default()))
}

/// What process 0 decides: the checkpoint that is gone on from.
fn decide(
    keeper: &mut Option<Keeper>,
    nodes: Vec<String>,
    begun: &mut Begun,
    words: &Sender<Word>,
) -> Result<Brief> {
    if let Some(keeper) = keeper {
        begun.take_up(keeper.restore(words)?)?;
    }
    Ok(Brief {
        checkpoint: begun.found.as_ref().map(|found| found.manifest().number),
        renamed: renamed(&begun.kept.sources, &nodes),
        nodes,
    })
}

/// A job of one machine whose checkpoint is of one machine of another name: the same under a new name, as containers
/// have it.
fn renamed(sources: &BTreeSet<String>, nodes: &[String]) -> Option<(String, String)> {
    let before = sources
        .iter()
        .filter_map(|key| key.split_once('/'))
        .map(|(node, _)| node)
        .filter(|node| !node.is_empty());
    let before: BTreeSet<&str> = before.collect();
    let now: BTreeSet<&str> = nodes.iter().map(String::as_str).collect();
    match (before.first(), now.first()) {
        (Some(from), Some(to)) if before.len() == 1 && now.len() == 1 && from != to => {
            Some(((*from).to_owned(), (*to).to_owned()))
        }
        _ => None,
    }
}

/// Agrees with the others.
fn join(
    config: &Config,
    cluster: &Cluster,
    mut meeting: Meeting,
    keeper: &mut Option<Keeper>,
    begun: &mut Begun,
    words: &Sender<Word>,
) -> Result<Brief> {
    let hello = Hello {
        node: config.node.clone(),
        workers: config.workers,
        has_checkpoints: config.checkpoints.is_some(),
        lateness_ns: config.settings.lateness_ns,
        idle_ns: config.settings.idle_ns,
        buckets_max: config.settings.buckets_max,
    };
    begun.n = meeting.links.len();
    begun.generation = meeting.generation;
    let brief = if cluster.index == 0 {
        cluster::lead(&mut meeting, &hello, |hellos| {
            let nodes = hellos.iter().map(|hello| hello.node.clone()).collect();
            decide(keeper, nodes, begun, words)
        })?
    } else {
        let brief = cluster::follow(&mut meeting, &hello)?;
        if let Some(vault) = &begun.vault {
            let has_begun = vault.has_begun(begun.generation);
            if !has_begun.map_err(|error| anyhow!(chain(&error)))? {
                bail!(
                    "process 0 keeps its checkpoints in another place: --checkpoints has to name one that all \
                     processes reach, an object store or a directory that they share"
                );
            }
            let found = brief.checkpoint.map(|number| vault.load(number));
            let found = found
                .transpose()
                .map_err(|error| anyhow!(chain(&error)))
                .context("read the checkpoint that process 0 has chosen")?;
            begun.take_up(found)?;
        }
        brief
    };
    (begun.sockets, begun.is_lost) = link::sockets(meeting);
    Ok(brief)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_may_have_another_name_and_two_may_not() {
        let sources = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let nodes = |nodes: &[&str]| -> Vec<String> {
            nodes.iter().map(|node| (*node).to_owned()).collect()
        };
        let pair = Some(("a".to_owned(), "b".to_owned()));
        let of_a: BTreeSet<String> = sources(&["a/file:x", "a/syslog", "/kafka:t"]);
        assert_eq!(renamed(&of_a, &nodes(&["b"])), pair);
        assert_eq!(renamed(&of_a, &nodes(&["b", "b"])), pair);
        assert_eq!(renamed(&of_a, &nodes(&["a"])), None);
        assert_eq!(renamed(&of_a, &nodes(&["b", "c"])), None);
        assert_eq!(
            renamed(&sources(&["a/x", "c/x"]), &nodes(&["b"])),
            None,
            "whose would it be?"
        );
        assert_eq!(renamed(&sources(&["/kafka:t"]), &nodes(&["b"])), None);
    }
}
