#![allow(warnings)]
use meshlet_sandbox::*;
use std::net::SocketAddr;
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    if args.get(1).map(String::as_str) == Some("sandbox-agent") {
        let c = agent(args.into_iter().skip(2));
        std::process::exit(if format!("{c:?}").contains("0") { 0 } else { 1 });
    }
    for layout in [Layout::Systemd, Layout::Cgroupfs] {
        let t = std::time::Instant::now();
        let mut s = Sandbox::new(layout, Agent::subcommand("sandbox-agent")?)?;
        println!("new {:?}", t.elapsed());
        s.namespace("ns", &[("istio-injection", "enabled")])?;
        let mut pods = vec![];
        for v in ["v1", "v2"] {
            for p in ["a", "b", "c"] {
                pods.push(s.add_pod(
                    PodSpec::new("ns", &format!("{v}-{p}")).label("app", "x").label("version", v).serving(80),
                )?);
            }
        }
        let ip = s.add_service(ServiceSpec::new("ns", "svc", 8080, 80).selecting("app", "x"))?;
        let cl = s.add_pod(PodSpec::new("ns", "client"))?;
        println!("built {:?} {} {}", t.elapsed(), ip, s.kubepods().display());
        let mut c = s.client(&cl)?;
        let to: SocketAddr = (ip, 8080).into();
        let t = std::time::Instant::now();
        let a = c.http(&HttpCall { count: 600, keep_alive: false, ..HttpCall::get(to, "svc") })?;
        let mut m = std::collections::BTreeMap::new();
        for x in &a {
            *m.entry(x.pod.clone()).or_insert(0) += 1;
        }
        println!("{:?} {m:?}", t.elapsed());
        println!("{:?}", a[0]);
        let t = std::time::Instant::now();
        let a = c.http(&HttpCall { count: 1000, ..HttpCall::get(to, "svc") })?;
        println!("{:?} keepalive {} conns {}", t.elapsed(), a.len(), a.last().unwrap().connection);
        for (mapped, nonblocking) in [(true, false), (false, true), (true, true)] {
            println!("{:?}", c.connect(&ConnectCall { mapped, nonblocking, ..ConnectCall::to(to) })?);
            println!("{:?}", c.http(&HttpCall { mapped, nonblocking, ..HttpCall::get(to, "svc") })?[0].pod);
        }
        println!(
            "{:?}",
            c.connect(&ConnectCall {
                bind: Some(s.pod_ip(&cl)?.into()),
                device: Some("eth0".into()),
                ..ConnectCall::to(to)
            })?
        );
        println!("{:?}", c.connect(&ConnectCall::to((ip, 81)))?);
        println!("{:?}", c.udp(to)?);
        println!("{:?} {:?}", c.netdev()?, c.listening()?);
        println!("{:?}", s.client(&pods[0])?.listening()?);
        for path in ["/echo", "/chunked/3", "/status/204", "/status/503", "/slow/50", "/die", "/half"] {
            for h in [None, Some(("transfer-encoding", "chunked")), Some(("expect", "100-continue"))] {
                let a = &c.http(&HttpCall {
                    path: path.into(),
                    method: "POST".into(),
                    body: "hello".into(),
                    headers: h.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
                    ..HttpCall::get(to, "svc")
                })?[0];
                println!("{path} {h:?}: {:?} {:?} {:?} {:?} {:?}", a.status, a.interim, a.error, a.body, a.headers);
            }
        }
        println!("{:?}", c.http(&HttpCall { method: "HEAD".into(), count: 2, ..HttpCall::get(to, "svc") })?);
        println!("{:?}", c.raw(&RawCall { to, send: "1 raw\0".into(), half_close: true, until: None })?);
        println!("{:?}", c.raw(&RawCall { to, send: "GARBAGE\r\nx\r\n\r\n".into(), half_close: false, until: None })?);
        println!(
            "{:?}",
            c.raw(&RawCall {
                to,
                send: "GET / HTTP/1.1\r\nhost: a\r\n\r\n".into(),
                half_close: false,
                until: Some("pod".into())
            })?
        );
        c.flood(&FloodCall { to, host: "svc".into(), connections: 3, keep_alive: false, pause_ms: 1 })?;
        std::thread::sleep(std::time::Duration::from_millis(300));
        s.set_ready(&pods[0], false)?;
        let m0 = c.marker()?;
        std::thread::sleep(std::time::Duration::from_millis(300));
        let r = c.halt()?;
        println!(
            "flood {:?} fail {:?} total {} at {:?}; v1-a after: {}",
            r.answers,
            r.failures.len(),
            r.total,
            m0,
            r.timeline.iter().filter(|(t, p)| *t > m0.at_ms + 5 && p == "v1-a").count()
        );
        for p in &pods[1..] {
            s.delete_pod(p)?;
        }
        println!("{:?}", c.connect(&ConnectCall::to(to))?);
        s.set_ready(&pods[0], true)?;
        println!("{:?}", c.http(&HttpCall::get(to, "svc"))?[0].pod);
        s.relabel_pod(&cl, &[("a", "b")], &[])?;
        for e in std::fs::read_dir(s.manifests())? {
            println!("{}", e?.path().display());
        }
        println!("{}", std::fs::read_to_string(s.manifests().join("pod.ns.v1-a.json"))?);
        if args.get(1).map(String::as_str) == Some("hang") {
            std::thread::sleep(std::time::Duration::from_secs(1000));
        }
        if args.get(1).map(String::as_str) == Some("panic") {
            panic!("x");
        }
        let t = std::time::Instant::now();
        drop(s);
        println!("dropped {:?}", t.elapsed());
        println!("{:?}", c.listening());
    }
    Ok(())
}
