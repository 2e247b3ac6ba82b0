//! New endpoints get their share by and by: Envoy's slow start.

use std::time::Duration;

use crate::model::Warmup;

/// The part of its share that an endpoint has at this age, above 0 up to 1
/// (envoy source/extensions/load_balancing_policies/common/load_balancer_impl.cc, applySlowStartFactor).
pub(crate) fn part(warmup: &Warmup, age: Duration) -> f64 {
    if age >= warmup.duration {
        return 1.0;
    }
    let age = age.max(Duration::from_millis(1)).as_secs_f64() / warmup.duration.as_secs_f64();
    let grown = if warmup.aggression > 1.0 { age.powf(1.0 / warmup.aggression) } else { age };
    grown.max(warmup.minimum_percent / 100.0).min(1.0)
}
