//! Reviews: who asks, and what may be done. What an account may follows from the faults: all that is not forbidden.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::answer::Answer;
use super::discovery::not_found;
use super::faults::Fault;

/// Answers a review of this name in paths.
pub(crate) fn review(faults: &HashMap<&'static str, Fault>, plural: &str, account: &str, body: &[u8]) -> Answer {
    let mut review: Value = match serde_json::from_slice(body) {
        Ok(review) => review,
        Err(error) => return Answer::failure(400, "BadRequest", &format!("the body is not JSON: {error}")),
    };
    match plural {
        "selfsubjectreviews" => review["status"] = json!({"userInfo": {"username": account}}),
        // By RBAC nobody may ask for others whom no role lets.
        "subjectaccessreviews" if account.starts_with("system:serviceaccount:") => {
            let problem = format!(
                "subjectaccessreviews.authorization.k8s.io is forbidden: User \"{account}\" cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope"
            );
            return Answer::failure(403, "Forbidden", &problem);
        }
        "selfsubjectaccessreviews" | "subjectaccessreviews" => {
            let allowed = allowed(faults, &review["spec"]["resourceAttributes"]);
            review["status"] = json!({"allowed": allowed});
        }
        _ => return not_found(),
    }
    Answer { status: 201, body: review.to_string() }
}

fn allowed(faults: &HashMap<&'static str, Fault>, attributes: &Value) -> bool {
    let reads = matches!(attributes["verb"].as_str(), Some("get" | "list" | "watch"));
    match attributes["resource"].as_str().and_then(|resource| faults.get(resource)) {
        Some(Fault::Forbidden) => false,
        Some(Fault::ReadOnly) => reads,
        _ => true,
    }
}
