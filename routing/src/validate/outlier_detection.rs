//! `outlierDetection` of a traffic policy (istio/istio@86c9f01 pkg/config/validation/validation.go,
//! validateOutlierDetection, and pilot/pkg/networking/core/cluster_traffic_policy.go, applyOutlierDetection).

use std::num::NonZeroU32;

use super::duration::whole_millis;
use super::fields::Fields;
use crate::model::OutlierDetection;

pub(super) fn read(fields: &Fields<'_>) -> OutlierDetection {
    let default = OutlierDetection::default();
    let apart = fields.boolean("splitExternalLocalOriginErrors").unwrap_or(false);
    let found = OutlierDetection {
        consecutive_5xx: fields.number("consecutive5xxErrors").map_or(default.consecutive_5xx, NonZeroU32::new),
        consecutive_gateway: fields.number("consecutiveGatewayErrors").and_then(NonZeroU32::new),
        consecutive_local_origin: local_origin(fields, apart),
        interval: whole_millis(fields, "interval").unwrap_or(default.interval),
        base_ejection_time: whole_millis(fields, "baseEjectionTime").unwrap_or(default.base_ejection_time),
        // Zero is what an absent number is, so nobody can write that nothing may be ejected.
        max_ejection_percent: percent(fields, "maxEjectionPercent")
            .filter(|percent| *percent > 0)
            .unwrap_or(default.max_ejection_percent),
        min_health_percent: percent(fields, "minHealthPercent").unwrap_or(default.min_health_percent),
    };
    if fields.number("consecutiveErrors").is_some_and(|number| number > 0) {
        let remedy = "write consecutive5xxErrors or consecutiveGatewayErrors; it has no effect";
        fields.report().warn(&fields.path("consecutiveErrors"), "is deprecated", remedy);
    }
    fields.not_honoured(&["outlierDetectionHttpErrorCodes"]);
    fields.finish();
    found
}

/// Counted by itself only when that is asked for; then 5 unless another number above zero is written.
fn local_origin(fields: &Fields<'_>, apart: bool) -> Option<NonZeroU32> {
    let written = fields.number("consecutiveLocalOriginFailures").and_then(NonZeroU32::new);
    if written.is_some() && !apart {
        fields.report().error(
            &fields.path("consecutiveLocalOriginFailures"),
            "is set while splitExternalLocalOriginErrors is not",
            "add splitExternalLocalOriginErrors: true, or remove it",
        );
    }
    apart.then(|| written.or(NonZeroU32::new(5))).flatten()
}

fn percent(fields: &Fields<'_>, key: &'static str) -> Option<u8> {
    let number = fields.number(key)?;
    let found = u8::try_from(number).ok().filter(|percent| *percent <= 100);
    if found.is_none() {
        fields.report().error(&fields.path(key), format!("{number} is no percentage"), "write 0 to 100");
    }
    found
}
