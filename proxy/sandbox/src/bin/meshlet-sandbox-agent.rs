//! The processes of a sandbox's pods, for users of the library that have no binary of their own to run as the agent.

fn main() -> std::process::ExitCode {
    meshlet_sandbox::agent(std::env::args().skip(1))
}
