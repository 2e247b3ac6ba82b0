//! What a DestinationRule can say, asked through the front door: manifests in, decisions out.

mod consistent_hash;
mod destination_rules;
mod world;
