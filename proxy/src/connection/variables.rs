//! What `%VARIABLE%`s in header values stand for (Envoy's command operators).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::SystemTime;

use super::Downstream;
use super::report::Timestamp;

/// What is known of one request beside its headers.
pub(crate) struct Variables<'v> {
    /// Whose it is.
    pub(crate) downstream: &'v Downstream,
    /// Envoy's name of the route.
    pub(crate) route: &'v str,
    /// Envoy's name of the cluster.
    pub(crate) cluster: &'v str,
    /// Of the response, once there is one.
    pub(crate) status: Option<u16>,
    /// The endpoint, once there is one.
    pub(crate) upstream: Option<SocketAddr>,
}

impl Variables<'_> {
    /// The value of the name between the percent signs, arguments included; `None` when there is none, and for names that
    /// mean nothing here. `request` and `response` give the values of header lines.
    pub(crate) fn value<'h>(
        &self,
        name: &str,
        request: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
        response: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>,
    ) -> Option<Cow<'h, [u8]>> {
        match name.split_once('(') {
            Some(("REQ", arguments)) => of_header(arguments, request),
            Some(("RESP", arguments)) => of_header(arguments, response),
            Some(_) => None,
            None => self.plain(name).filter(|text| !text.is_empty()).map(|text| text.into_bytes().into()),
        }
    }

    fn plain(&self, name: &str) -> Option<String> {
        let Downstream { dialled, peer, pod, .. } = self.downstream;
        match name {
            "PROTOCOL" => Some("HTTP/1.1".to_owned()),
            "START_TIME" => Some(Timestamp(SystemTime::now()).to_string()),
            "ROUTE_NAME" => Some(self.route.to_owned()),
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Some(self.cluster.to_owned()),
            "RESPONSE_CODE" => self.status.map(|status| status.to_string()),
            "HOSTNAME" => Some(pod.client.pod.to_string()),
            "DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Some(peer.to_string()),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
                Some(peer.ip().to_string())
            }
            "DOWNSTREAM_REMOTE_PORT" | "DOWNSTREAM_DIRECT_REMOTE_PORT" => Some(peer.port().to_string()),
            "DOWNSTREAM_LOCAL_ADDRESS" => Some(SocketAddr::new(dialled.address, dialled.port).to_string()),
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Some(dialled.address.to_string()),
            "DOWNSTREAM_LOCAL_PORT" => Some(dialled.port.to_string()),
            "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => self.upstream.map(|address| address.to_string()),
            "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => self.upstream.map(|address| address.ip().to_string()),
            "UPSTREAM_REMOTE_PORT" => self.upstream.map(|address| address.port().to_string()),
            _ => None,
        }
    }
}

/// The value of `X?Y):Z` behind `REQ(`: of the header X, else of Y, cut off after Z bytes.
fn of_header<'h>(arguments: &str, value: &dyn Fn(&str) -> Option<Cow<'h, [u8]>>) -> Option<Cow<'h, [u8]>> {
    let (names, limit) = arguments.split_once(')')?;
    let found = names.split('?').take(2).find_map(|name| value(&name.trim().to_ascii_lowercase()))?;
    let limit = limit.strip_prefix(':').and_then(|limit| limit.parse::<usize>().ok());
    match limit {
        Some(limit) if limit < found.len() => Some(found[..limit].to_vec().into()),
        _ => Some(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_header_arguments_then_the_first_header_that_is_there_is_taken_and_cut() {
        let value = |name: &str| (name == "x-user").then(|| Cow::from(&b"alice"[..]));
        for (arguments, expected) in [
            ("x-user)", Some("alice")),
            ("X-User)", Some("alice")),
            ("x-other?x-user)", Some("alice")),
            ("x-user?x-other)", Some("alice")),
            ("x-user):3", Some("ali")),
            ("x-user):9", Some("alice")),
            ("x-other)", None),
            ("x-user", None),
        ] {
            let found = of_header(arguments, &value);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{arguments}");
        }
    }
}
