//! Section 4.7, and 1.8 as far as it concerns limits: how much of a cluster one client uses at a time.

use std::sync::Arc;

use meshlet_routing::balance::{Balance, Permit, Resource, Shared};

use crate::places::{at, client, cluster};

#[test]
fn s4_7_given_a_limit_then_what_is_beyond_it_is_refused_until_something_ends() {
    for (pool, resource) in [
        ("tcp: {maxConnections: 2}", Resource::Connections),
        ("http: {http1MaxPendingRequests: 2}", Resource::Pending),
        ("http: {http2MaxRequests: 2}", Resource::Requests),
        ("http: {maxRetries: 2}", Resource::Retries),
    ] {
        let cluster = cluster(&format!("connectionPool: {{{pool}}}"), &[at("")], &client("", ""));
        let shared = Arc::new(Shared::default());
        let take = |resource| shared.breakers().take(resource, &cluster.connection_pool);
        let mut held: Vec<Permit> = (0..2).map(|_| take(resource).expect("within the limit")).collect();
        assert!(take(resource).is_none(), "{pool}");
        assert_eq!(shared.breakers().held(resource), 2);
        drop(held.pop());
        assert!(take(resource).is_some(), "{pool}: one has ended");
        for other in [Resource::Connections, Resource::Pending, Resource::Requests, Resource::Retries] {
            let permits: Vec<_> = (0..9).map(|_| take(other)).collect();
            assert_eq!(permits.iter().flatten().count(), if other == resource { 1 } else { 9 }, "{pool} {other:?}");
        }
        // A first connection to an endpoint is made whatever the limit, and counts.
        let beyond: Vec<Permit> =
            (0..3).map(|_| shared.breakers().take_anyway(resource, &cluster.connection_pool)).collect();
        assert_eq!(shared.breakers().held(resource), 4);
        drop((beyond, held));
        assert_eq!(shared.breakers().held(resource), 0);
    }
}

#[test]
fn s1_8_given_zero_or_no_number_then_there_is_no_limit() {
    for pool in [
        "tcp: {maxConnections: 0}",
        "http: {http2MaxRequests: 0, maxRetries: 0, http1MaxPendingRequests: 0}",
        "http: {}",
    ] {
        let cluster = cluster(&format!("connectionPool: {{{pool}}}"), &[at("")], &client("", ""));
        let shared = Arc::new(Shared::default());
        for resource in [Resource::Connections, Resource::Pending, Resource::Requests, Resource::Retries] {
            assert_eq!(resource.limit(&cluster.connection_pool), None);
            let permits: Vec<_> =
                (0..5000).map(|_| shared.breakers().take(resource, &cluster.connection_pool)).collect();
            assert!(permits.iter().all(Option::is_some), "{pool} {resource:?}");
        }
    }
}

#[test]
fn s1_8_given_two_clients_then_each_has_the_limit_for_itself_and_the_workers_of_one_share_it() {
    let cluster = cluster("connectionPool: {http: {http2MaxRequests: 1}}", &[at("")], &client("", ""));
    let take = |balance: &Balance| balance.shared().breakers().take(Resource::Requests, &cluster.connection_pool);
    let pod = Arc::new(Shared::default());
    let (one, other, stranger) = (Balance::with(Arc::clone(&pod)), Balance::with(pod), Balance::new());
    let held = take(&one);
    assert!(held.is_some() && take(&other).is_none() && take(&stranger).is_some());
    drop(held);
    assert!(take(&other).is_some());
}

#[test]
fn s4_7_given_many_threads_then_the_limit_holds_at_every_moment() {
    let cluster = cluster("connectionPool: {http: {http2MaxRequests: 3}}", &[at("")], &client("", ""));
    let shared = Shared::default();
    let breakers = shared.breakers();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let permit = breakers.take(Resource::Requests, &cluster.connection_pool);
                    assert!(breakers.held(Resource::Requests) <= 3);
                    drop(permit);
                }
            });
        }
    });
    assert_eq!(breakers.held(Resource::Requests), 0);
}
