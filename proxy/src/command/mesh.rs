//! `--mesh-config`: what holds for the whole mesh, which Istio keeps outside the objects.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use meshlet_routing::manifest::parse_mesh_config;
use meshlet_routing::model::{MeshConfig, OutboundTraffic};
use meshlet_routing::validate::mesh_config;

/// Flags of every command that reads manifests.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct MeshArgs {
    /// Istio's mesh config: YAML, or the ConfigMap `istio` that holds it. It is read once.
    #[arg(long, value_name = "PATH", env = "MESHLET_MESH_CONFIG")]
    mesh_config: Option<PathBuf>,
    /// What becomes of requests to what nobody registered. Default: as the mesh config has it, else allow-any.
    #[arg(long, value_enum, value_name = "MODE", env = "MESHLET_OUTBOUND_TRAFFIC_POLICY")]
    outbound_traffic_policy: Option<OutboundMode>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutboundMode {
    /// They go where the client dialled.
    AllowAny,
    /// They are refused.
    RegistryOnly,
}

impl MeshArgs {
    /// The mesh's config; what is wrong with it goes to stderr. `None` when it cannot be used.
    pub(crate) fn read(&self) -> Option<MeshConfig> {
        let mut config = match &self.mesh_config {
            Some(path) => read(path)?,
            None => MeshConfig::default(),
        };
        if let Some(mode) = self.outbound_traffic_policy {
            config.outbound = match mode {
                OutboundMode::AllowAny => OutboundTraffic::AllowAny,
                OutboundMode::RegistryOnly => OutboundTraffic::RegistryOnly,
            };
        }
        Some(config)
    }
}

/// The config that a file holds.
pub(crate) fn read(path: &Path) -> Option<MeshConfig> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("meshlet: mesh config {}: cannot be read: {error}", path.display());
            return None;
        }
    };
    let manifest = match parse_mesh_config(&path.display().to_string(), &text) {
        Ok(manifest) => manifest,
        Err(fault) => {
            eprintln!("{fault}");
            return None;
        }
    };
    let (config, faults) = mesh_config(&manifest);
    for fault in &faults {
        eprintln!("{fault}");
    }
    config
}
