//! Structures that are almost right.

use meshlet_routing::manifest;
use meshlet_routing::validate::validate;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::engine::everything;
use super::mutate::{Change, junk, mutate, objects, size, text};

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Drop),
        4 => proptest::sample::select(junk()).prop_map(Change::Replace),
        1 => Just(Change::Repeat),
        1 => (1..40_u8).prop_map(Change::Bury),
    ]
}

/// Whether what was read under a name is used.
fn used(text: &str) -> Vec<(String, bool)> {
    let parsed = manifest::parse("f.yaml", text);
    parsed.manifests.iter().map(|found| (found.object.to_string(), validate(found).valid.is_some())).collect()
}

#[test]
fn given_the_corpus_then_every_object_of_a_kind_that_is_read_is_used() {
    let world = everything(&super::corpus::text());
    assert!(world.services.len() >= 3, "{:?}", world.services);
    assert_eq!(world.pods.len(), 4);
}

/// Every node of every object, one at a time, is dropped, replaced by each kind of junk in turn, and repeated.
#[test]
fn given_any_single_node_that_is_wrong_then_nothing_panics_and_another_object_stays() {
    let other = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other", "namespace": "other"}});
    let junk = junk();
    let mut kinds = junk.iter().cycle();
    for object in objects() {
        for node in 1..size(&object) {
            let junk = kinds.next().cloned().unwrap_or_default();
            for change in [Change::Drop, Change::Replace(junk), Change::Repeat] {
                let mut changed = object.clone();
                mutate(&mut changed, node, &change);
                let found = used(&text(&[changed, other.clone()]));
                assert_eq!(
                    found.last(),
                    Some(&("Pod other/other".to_owned(), true)),
                    "{change:?} of {node} of {object}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn given_objects_with_any_nodes_changed_then_everything_has_an_answer(
        changes in proptest::collection::vec((any::<Index>(), any::<Index>(), change()), 1..12)
    ) {
        let mut objects = objects();
        for (object, node, change) in &changes {
            let object = object.get_mut(&mut objects);
            mutate(object, node.index(size(object)), change);
        }
        // JSON, which is YAML, or block style.
        if changes.len() % 2 == 0 {
            everything(&text(&objects));
        } else {
            let block: Vec<String> = objects.iter().filter_map(|object| serde_saphyr::to_string(object).ok()).collect();
            everything(&block.join("\n---\n"));
        }
    }
}
