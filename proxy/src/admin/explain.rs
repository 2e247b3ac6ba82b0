//! `/api/v1/explain`: the question of `meshlet explain`, asked of the world in force.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::JsonRejection;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use meshlet_routing::explain::{Asked, Unanswerable};

use super::query;
use crate::snapshot::loan::Worlds;

/// GET with the command's flags as parameters, POST with a question in JSON.
pub(super) fn router(worlds: Worlds) -> Router {
    Router::new().route("/api/v1/explain", get(by_query).post(by_body)).with_state(Arc::new(worlds))
}

async fn by_query(State(worlds): State<Arc<Worlds>>, RawQuery(query): RawQuery) -> Response {
    match query::asked(query.as_deref().unwrap_or_default()) {
        Ok(asked) => answer(&worlds, asked).await,
        Err(problem) => refuse(StatusCode::BAD_REQUEST, &problem),
    }
}

async fn by_body(State(worlds): State<Arc<Worlds>>, body: Result<Json<Asked>, JsonRejection>) -> Response {
    match body {
        Ok(Json(asked)) => answer(&worlds, asked).await,
        Err(rejection) => refuse(rejection.status(), &rejection.body_text()),
    }
}

async fn answer(worlds: &Worlds, mut asked: Asked) -> Response {
    asked.capture.get_or_insert(worlds.capture);
    let Some(world) = worlds.now().await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping");
    };
    // Tables are compiled for it: the node's loop must not wait for that.
    let explained = tokio::task::spawn_blocking(move || {
        let explanation = asked.answer(&world)?;
        Ok(serde_json::to_string_pretty(&explanation))
    });
    match explained.await {
        Ok(Ok(Ok(json))) => ([(header::CONTENT_TYPE, "application/json")], json + "\n").into_response(),
        Ok(Err(unanswerable @ Unanswerable::NoSuchPod { .. })) => {
            refuse(StatusCode::NOT_FOUND, &unanswerable.to_string())
        }
        Ok(Err(unanswerable @ Unanswerable::Request(_))) => refuse(StatusCode::BAD_REQUEST, &unanswerable.to_string()),
        Ok(Ok(Err(error))) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refuse(status: StatusCode, problem: &str) -> Response {
    (status, Json(serde_json::json!({"error": problem}))).into_response()
}
