//! Maps on the way of every request and of every change of rules. Who sends requests puts nothing into them, and can only ask.

/// By a hash that is quick on names, seeded anew in each process.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
