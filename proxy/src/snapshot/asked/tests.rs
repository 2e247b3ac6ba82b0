//! Against a nameserver on loopback.

use hickory_resolver::proto::op::ResponseCode;
use tempfile::TempDir;

use super::*;
use crate::snapshot::nameserver_in_process::{Nameserver, Says, write};

async fn asking() -> (Nameserver, TempDir, AskedNames) {
    let nameserver = Nameserver::start(([127, 0, 0, 1], 0).into()).await;
    let folder = TempDir::new().expect("a folder");
    write(folder.path(), &nameserver, "", 1);
    let path = folder.path().join("resolv.conf");
    let names = AskedNames::new(ResolvConf::at_port(path, nameserver.address.port()));
    (nameserver, folder, names)
}

/// Lets an answer's time run out.
fn age(names: &AskedNames, name: &str) {
    let mut known = names.known.borrow_mut();
    let entry = known.get_mut(name).expect("it was asked for");
    let found = *entry.found.get().expect("it was answered");
    entry.found = Rc::new(OnceCell::new_with(Some(Found { until: Instant::now(), ..found })));
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

#[tokio::test]
async fn given_a_name_then_its_first_address_is_kept_until_it_is_old() {
    let (nameserver, _folder, names) = asking().await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 2], [10, 0, 0, 1]]));
    assert_eq!(names.address("a.test").await, ip("10.0.0.2"));
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 3]]));
    assert_eq!(names.address("a.test").await, ip("10.0.0.2"), "the answer is believed");
    age(&names, "a.test");
    assert_eq!(names.address("a.test").await, ip("10.0.0.3"));
}

#[tokio::test]
async fn given_nobody_who_knows_then_the_last_answer_is_good_and_without_one_there_is_none() {
    let (nameserver, _folder, names) = asking().await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    assert_eq!(names.address("a.test").await, ip("10.0.0.1"));
    for name in ["a.test.", "b.test."] {
        nameserver.say(name, Says::Code(ResponseCode::ServFail));
    }
    for _ in 0..2 {
        age(&names, "a.test");
        assert_eq!(names.address("a.test").await, ip("10.0.0.1"));
    }
    assert_eq!(names.address("b.test").await, None);
    nameserver.say("a.test.", Says::Code(ResponseCode::NXDomain));
    age(&names, "a.test");
    assert_eq!(names.address("a.test").await, None, "there is no such name any more: that is an answer");
}

#[tokio::test]
async fn given_several_who_ask_at_a_time_then_the_nameserver_is_asked_once_and_one_who_leaves_holds_up_nobody() {
    let (mut nameserver, _folder, names) = asking().await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    let gone = async {
        tokio::select! {
            biased;
            _ = names.address("a.test") => panic!("it cannot be known yet"),
            () = tokio::task::yield_now() => {}
        }
    };
    let ((), one, other) = tokio::join!(gone, names.address("a.test"), names.address("a.test"));
    assert_eq!((one, other), (ip("10.0.0.1"), ip("10.0.0.1")));
    nameserver.say("b.test.", Says::Addresses(&[[10, 0, 0, 2]]));
    let _ = tokio::join!(names.address("b.test"), names.address("b.test"));
    assert_eq!(names.address("c.test").await, None);
    let mut asked = nameserver.asked_so_far();
    asked.retain(|name| name == "b.test.");
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn given_an_address_or_what_is_no_name_then_nobody_is_asked() {
    let (mut nameserver, _folder, names) = asking().await;
    assert_eq!(names.address("10.9.8.7").await, ip("10.9.8.7"));
    for none in ["a..b", "[::1]", "a b..", &"x".repeat(300)] {
        assert_eq!(names.address(none).await, None, "{none}");
    }
    assert_eq!(nameserver.asked_so_far(), [""; 0]);
}

#[tokio::test]
async fn given_as_many_names_as_are_kept_then_another_one_fails_until_one_of_them_is_old() {
    let (nameserver, _folder, names) = asking().await;
    nameserver.say("a.test.", Says::Addresses(&[[10, 0, 0, 1]]));
    let until = Instant::now() + MOST_TTL;
    let fill = |number: usize| {
        let found = Rc::new(OnceCell::new_with(Some(Found { address: None, until })));
        names.known.borrow_mut().insert(format!("{number}.test").into(), Known { found, before: None });
    };
    (0..MOST).for_each(fill);
    assert_eq!(names.address("a.test").await, None);
    age(&names, "7.test");
    assert_eq!(names.address("a.test").await, ip("10.0.0.1"));
    assert_eq!(names.known.borrow().len(), MOST);
}
