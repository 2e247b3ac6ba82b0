//! Nodes: where the pods on them run.

use std::sync::Arc;

use super::fields::Fields;
use super::{metadata, topology};
use crate::model::{Locality, ObjectRef};

/// A node, as far as anything reads it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) locality: Arc<Locality>,
}

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<Node> {
    let metadata = metadata::read(fields);
    Some(Node { name: object.name.clone(), locality: Arc::new(topology::of_labels(&metadata.labels)) })
}
