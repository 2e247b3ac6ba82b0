//! Section 3.7: what is done to headers, in which order, and by whom.

use std::borrow::Cow;

use meshlet_routing::decide::{Outcome, Request};
use meshlet_routing::model::{HeaderEdits, Variable};
use meshlet_routing::table::Effects;

use crate::ask::{decided, errors, faults, get, istio, pod, service, table};

fn shop(rule: &str) -> String {
    service("shop", "web", "clusterIP: 10.96.0.1, ports: [{name: http, port: 80}]")
        + &service("shop", "other", "clusterIP: 10.96.0.2, ports: [{name: http, port: 80}]")
        + &pod("shop", "web", "v1", "10.1.0.1")
        + &pod("shop", "other", "v1", "10.1.0.2")
        + &istio("VirtualService", "shop", "web", &format!("{{hosts: [web], http: [{rule}]}}"))
}

/// A rule with `headers` of its own and of its destination: the sole one, or one of two.
fn ruled(route: &str, destination: &str, several: bool) -> String {
    let beside = if several { ", {weight: 1, destination: {host: other}}" } else { "" };
    shop(&format!(
        "{{headers: {{{route}}}, route: [{{weight: 1, destination: {{host: web}}, headers: {{{destination}}}}}{beside}]}}"
    ))
}

type Lines = Vec<(String, String)>;

/// Does lists of operations as the data path does: removals, values, sets, additions.
fn edited(lists: &[HeaderEdits], mut lines: Lines) -> Lines {
    for list in lists {
        lines.retain(|(name, _)| !list.remove.iter().any(|removed| **removed == **name));
        let (set, add) = list.render(|variable| match variable {
            Variable::RequestHeader { name, alternative } => {
                let of = |wanted: &str| lines.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
                of(name).or_else(|| of(alternative.as_deref()?)).map(|value| Cow::from(value.into_bytes()))
            }
            _ => None,
        });
        let text = |value: Cow<'_, [u8]>| String::from_utf8_lossy(&value).into_owned();
        let set: Lines = set.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
        let add: Lines = add.into_iter().map(|(name, value)| (name.to_owned(), text(value))).collect();
        for (name, value) in set {
            lines.retain(|(found, _)| *found != name);
            lines.push((name, value));
        }
        lines.extend(add);
    }
    lines
}

fn with_effects<R>(text: &str, request: &Request<'_>, look: impl FnOnce(&Effects) -> R) -> R {
    assert_eq!(errors(text), [""; 0], "{text}");
    let table = table(text, "shop");
    // The lowest draw falls to the first destination.
    match decided(&table, "10.96.0.1:80", request, 0).outcome {
        Outcome::Route(route) => look(route.effects),
        Outcome::Respond(respond) => look(respond.effects.expect("effects")),
        Outcome::Passthrough(reason) => panic!("{reason:?}"),
    }
}

fn sorted(lists: &[HeaderEdits], before: &[(&str, &str)]) -> String {
    let before = before.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut lines: Vec<String> =
        edited(lists, before).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Lines of different names have no order; those of one name keep theirs.
    lines.sort_by(|one, other| one.split('=').next().cmp(&other.split('=').next()));
    lines.join(" ")
}

/// What becomes of these request headers.
#[track_caller]
fn check(text: &str, before: &[(&str, &str)], expected: &str) {
    with_effects(text, &get("web", "/"), |effects| assert_eq!(sorted(&effects.request, before), expected, "{text}"));
}

#[test]
fn s3_7_given_one_list_then_removals_come_first_then_sets_then_additions() {
    let all = "request: {add: {x: added}, set: {x: set}, remove: [x, y]}";
    check(&ruled(all, "", false), &[("x", "1"), ("x", "2"), ("y", "3")], "x=set x=added");
    check(&ruled("request: {add: {x: added}}", "", false), &[("x", "1")], "x=1 x=added");
    check(&ruled("request: {set: {X: set}}", "", false), &[("x", "1"), ("x", "2")], "x=set");
    check(&ruled("request: {remove: [X-Y]}", "", false), &[("x-y", "1"), ("x", "2")], "x=2");
}

#[test]
fn s3_7_given_one_destination_then_the_operations_form_one_list_with_the_routes_first() {
    let one = |operation: &str| {
        ruled(
            &format!("request: {operation}").replace('?', "route"),
            &format!("request: {operation}").replace('?', "own"),
            false,
        )
    };
    check(&one("{set: {x: ?}}"), &[("x", "1")], "x=own");
    check(&one("{add: {x: ?}}"), &[("x", "1")], "x=1 x=route x=own");
    // The route adds after the destination has set: it is one list.
    check(&ruled("request: {add: {x: route}}", "request: {set: {x: own}}", false), &[("x", "1")], "x=own x=route");
    // The destination removes before the route sets.
    check(&ruled("request: {set: {x: route}}", "request: {remove: [x]}", false), &[("x", "1")], "x=route");
}

#[test]
fn q3_7_given_several_destinations_then_the_destinations_list_runs_first_and_the_route_wins() {
    check(&ruled("request: {set: {x: route}}", "request: {set: {x: own}}", true), &[("x", "1")], "x=route");
    check(&ruled("request: {add: {x: route}}", "request: {add: {x: own}}", true), &[("x", "1")], "x=1 x=own x=route");
    check(&ruled("request: {add: {x: route}}", "request: {set: {x: own}}", true), &[("x", "1")], "x=own x=route");
    check(&ruled("request: {remove: [x]}", "request: {set: {x: own}}", true), &[("x", "1")], "");
    check(&ruled("request: {set: {x: route}}", "request: {add: {x: own}}", true), &[("x", "1")], "x=route");
}

#[test]
fn s3_7_given_operations_on_responses_then_their_order_is_the_same() {
    let lists = "response: {set: {x: ?}, add: {y: ?}}";
    for (several, expected) in [(false, "x=own y=1 y=route y=own"), (true, "x=route y=1 y=own y=route")] {
        let text = ruled(&lists.replace('?', "route"), &lists.replace('?', "own"), several);
        with_effects(&text, &get("web", "/"), |effects| {
            assert_eq!(sorted(&effects.response, &[("x", "0"), ("y", "1")]), expected, "{several}");
        });
    }
}

#[test]
fn s3_7_given_the_other_of_several_destinations_then_only_the_routes_operations_reach_it() {
    let table = table(&ruled("request: {set: {x: route}}", "request: {set: {y: own}}", true), "shop");
    let Outcome::Route(route) = decided(&table, "10.96.0.1:80", &get("web", "/"), u32::MAX).outcome else {
        panic!("no route")
    };
    assert_eq!(route.cluster.host.as_str(), "other.shop.svc.cluster.local");
    assert_eq!(sorted(&route.effects.request, &[]), "x=route");
}

#[test]
fn s3_7_given_variables_then_they_are_filled_in_and_two_percent_signs_are_one() {
    check(
        &ruled("request: {set: {a: 'for %REQ(X-User)%!', b: '100%%'}}", "", false),
        &[("x-user", "u")],
        "a=for u! b=100% x-user=u",
    );
    check(&ruled("request: {set: {a: '%REQ(x-none?x-user)%'}}", "", false), &[("x-user", "u")], "a=u x-user=u");
    // All of a list stand for what was there before its first line was written.
    check(&ruled("request: {set: {a: new, b: '%REQ(a)%'}}", "", false), &[("a", "old")], "a=new b=old");
}

#[test]
fn s3_7_given_a_value_that_is_empty_then_the_operation_does_nothing() {
    check(
        &ruled("request: {set: {a: '', b: '%REQ(x-none)%'}, add: {a: ''}}", "", false),
        &[("a", "1"), ("b", "2")],
        "a=1 b=2",
    );
}

#[test]
fn s3_7_given_every_variable_that_is_supported_then_it_is_known() {
    for (word, _) in Variable::WORDS {
        assert!(faults(&ruled(&format!("response: {{set: {{a: '%{word}%'}}}}"), "", false)).is_empty(), "{word}");
    }
    for word in ["REQ(a)", "REQ(:path)", "REQ(a?b)", "RESP(a)"] {
        assert!(faults(&ruled(&format!("response: {{set: {{a: '%{word}%'}}}}"), "", false)).is_empty(), "{word}");
    }
}

#[test]
fn s3_7_given_a_variable_that_only_an_answer_has_then_it_is_warned_of_in_requests() {
    const LATER: [&str; 6] = [
        "UPSTREAM_HOST",
        "UPSTREAM_REMOTE_ADDRESS",
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        "UPSTREAM_REMOTE_PORT",
        "RESPONSE_CODE_DETAILS",
        "RESP(a)",
    ];
    for word in Variable::WORDS.iter().map(|(word, _)| *word).chain(["REQ(a)", "RESP(a)"]) {
        let text = ruled(&format!("request: {{set: {{a: '%{word}%'}}}}"), "", false);
        let (errors, faults) = (errors(&text), faults(&text));
        assert_eq!((errors.len(), faults.len()), (0, usize::from(LATER.contains(&word))), "{word} {faults:?}");
    }
}

#[test]
fn s3_7_given_a_variable_that_stands_for_nothing_here_then_it_is_warned_of() {
    for word in ["TRACE_ID", "DYNAMIC_METADATA(a:b)", "DOWNSTREAM_PEER_SUBJECT", "START_TIME(%Y-%m)"] {
        let text = ruled(&format!("request: {{set: {{a: 'x%{word}%'}}}}"), "", false);
        assert_eq!((errors(&text).len(), faults(&text).len()), (0, 1), "{word}");
    }
}

#[test]
fn s3_7_given_a_value_that_envoy_refuses_then_it_is_refused_with_that_reason() {
    for value in [
        "100%",
        "%",
        "a%b",
        "%START_TIME%%",
        "%NO_SUCH_THING%",
        "%REQ(a%",
        "%REQ()%",
        "%REQ(a):3%",
        "%REQ%",
        "%PROTOCOL(a)%",
        "%lower%",
    ] {
        for (route, destination) in [(true, false), (false, true)] {
            let operations = format!("request: {{set: {{a: '{value}'}}}}");
            let of = |written| if written { &*operations } else { "" };
            let found = errors(&ruled(of(route), of(destination), false));
            assert!(found.len() == 1 && found[0].contains("Envoy would refuse"), "{value} {found:?}");
        }
    }
    assert_eq!(errors(&ruled("response: {add: {a: \"b\\r\\nc: d\"}}", "", false)).len(), 1);
    assert_eq!(errors(&ruled("response: {add: {a: 1}}", "", false)).len(), 1);
}

#[test]
fn s3_7_given_host_in_a_request_then_it_is_a_rewrite_of_the_authority_and_set_comes_before_add() {
    let authority = |text: &str| with_effects(text, &get("web", "/"), |effects| effects.authority.clone());
    for (operations, expected) in [
        ("request: {set: {Host: a}}", Some("a")),
        ("request: {add: {':authority': b}}", Some("b")),
        ("request: {set: {host: ''}, add: {host: b}}", Some("b")),
        // It is text: Istio writes host_rewrite_literal.
        ("request: {set: {host: '%REQ(x)%'}}", Some("%REQ(x)%")),
        ("request: {set: {host: ''}}", None),
    ] {
        let found = authority(&ruled(operations, "", false));
        assert_eq!(found.as_deref(), expected, "{operations}");
        with_effects(&ruled(operations, "", false), &get("web", "/"), |effects| {
            assert!(effects.request.is_empty(), "{operations}");
        });
    }
    let own = ruled("", "request: {set: {host: a}, add: {host: b}}", false);
    assert_eq!(authority(&own).as_deref(), Some("a"));
}

#[test]
fn s3_7_given_host_at_several_places_then_the_routes_beats_the_destinations_in_both_cases() {
    for several in [false, true] {
        let authority = |text: &str| with_effects(text, &get("web", "/"), |effects| effects.authority.clone());
        let own = "request: {set: {host: own}}";
        assert_eq!(authority(&ruled("", own, several)).as_deref(), Some("own"), "{several}");
        assert_eq!(authority(&ruled("request: {set: {host: route}}", own, several)).as_deref(), Some("route"));
        let rewritten = ruled("", own, several).replace("headers: {}, route", "rewrite: {authority: rewritten}, route");
        assert_eq!(authority(&rewritten).as_deref(), Some("rewritten"), "{several}");
    }
}

#[test]
fn s3_7_given_host_written_twice_beside_a_rule_then_it_is_refused() {
    let with = |fields: &str| shop(&format!("{{{fields}, route: [{{destination: {{host: web}}}}]}}"));
    for (fields, problems) in [
        ("headers: {request: {set: {host: a}, add: {host: b}}}", 1),
        ("headers: {request: {set: {host: a, ':authority': b}}}", 1),
        ("rewrite: {authority: a}, headers: {request: {set: {host: b}}}", 1),
        ("rewrite: {uri: /a}, headers: {request: {set: {host: b}}}", 0),
    ] {
        let found = errors(&with(fields));
        assert_eq!(found.len(), problems, "{fields} {found:?}");
    }
}

#[test]
fn s3_7_given_pseudo_headers_or_no_names_then_they_are_refused() {
    for operations in [
        "request: {set: {':path': a}}",
        "request: {add: {':method': a}}",
        "request: {remove: [host]}",
        "request: {remove: [':authority']}",
        "request: {set: {'': a}}",
        "request: {set: {'a b': c}}",
        "response: {set: {host: a}}",
        "response: {add: {':status': '200'}}",
        "response: {remove: [Host]}",
        "response: {remove: ['']}",
    ] {
        assert_eq!(errors(&ruled(operations, "", false)).len(), 1, "{operations}");
        assert_eq!(errors(&ruled("", operations, false)).len(), 1, "destination: {operations}");
    }
}

#[test]
fn s3_7_given_answers_of_the_proxy_then_operations_on_responses_apply_but_not_to_aborts() {
    let set = "headers: {response: {set: {x: y}}}";
    let abort = "fault: {abort: {httpStatus: 500, percentage: {value: 100}}}";
    for (rule, expected) in [
        (format!("{{{set}, redirect: {{uri: /a}}}}"), true),
        (format!("{{{set}, directResponse: {{status: 200}}}}"), true),
        (format!("{{{set}, route: [{{destination: {{host: nobody}}}}]}}"), true),
        (format!("{{{set}, route: [{{destination: {{host: web, subset: v9}}}}]}}"), true),
        (format!("{{route: [{{{set}, destination: {{host: nobody}}}}]}}"), true),
        (format!("{{{set}, {abort}, route: [{{destination: {{host: web}}}}]}}"), false),
    ] {
        let table = table(&shop(&rule), "shop");
        let Outcome::Respond(respond) = decided(&table, "10.96.0.1:80", &get("web", "/"), 0).outcome else {
            panic!("{rule}")
        };
        let lists = respond.effects.map_or(&[][..], |effects| &effects.response);
        assert_eq!(sorted(lists, &[]), if expected { "x=y" } else { "" }, "{rule}");
    }
}
