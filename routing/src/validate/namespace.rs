//! Namespaces.

use super::fields::Fields;
use super::metadata;
use crate::model::{Namespace, ObjectRef};

pub(super) fn read(object: &ObjectRef, fields: &Fields<'_>) -> Option<Namespace> {
    let metadata = metadata::read(fields);
    Some(Namespace { name: object.name.clone(), labels: metadata.labels, annotations: metadata.annotations })
}
