//! The world in force, for those who read it at their leisure: the node's loop, its only writer, lends out a copy when one is
//! asked for, and the same one until the world is another. What it has written into the kernel is put together when asked for.

use std::sync::Arc;

use meshlet_routing::explain::Capture;
use meshlet_routing::model::World;
use tokio::sync::{mpsc, oneshot};

use crate::admin::bpf::Bpf;

/// What somebody asks for, and where the answer goes.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// The world.
    World(oneshot::Sender<Arc<World>>),
    /// What the kernel holds.
    Bpf(oneshot::Sender<Bpf>),
}

/// Where both are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Worlds {
    asked: mpsc::Sender<Wanted>,
    /// What the daemon captures.
    pub(crate) capture: Capture,
}

/// The writer's side.
#[derive(Debug)]
pub(crate) struct Lender {
    asked: mpsc::Receiver<Wanted>,
    lent: Option<Arc<World>>,
}

/// Both sides, of a daemon that captures this.
pub(crate) fn lending(capture: Capture) -> (Worlds, Lender) {
    let (sender, asked) = mpsc::channel(16);
    (Worlds { asked: sender, capture }, Lender { asked, lent: None })
}

impl Worlds {
    /// The world in force now; `None` when the node's loop has ended.
    pub(crate) async fn now(&self) -> Option<Arc<World>> {
        let (reply, world) = oneshot::channel();
        self.asked.send(Wanted::World(reply)).await.ok()?;
        world.await.ok()
    }

    /// What the kernel holds now; `None` as above.
    pub(crate) async fn bpf(&self) -> Option<Bpf> {
        let (reply, bpf) = oneshot::channel();
        self.asked.send(Wanted::Bpf(reply)).await.ok()?;
        bpf.await.ok()
    }
}

impl Lender {
    /// The world is another: what is lent out now is a copy of it.
    pub(crate) fn renew(&mut self) {
        self.lent = None;
    }

    /// The next who asks. It may be dropped while it waits; nobody is lost by that.
    pub(crate) async fn asked(&mut self) -> Wanted {
        match self.asked.recv().await {
            Some(asked) => asked,
            // Nobody is left who could ask.
            None => std::future::pending().await,
        }
    }

    /// Lends the world to one who asked.
    pub(crate) fn lend(&mut self, world: &World, reply: oneshot::Sender<Arc<World>>) {
        let lent = self.lent.get_or_insert_with(|| Arc::new(world.clone()));
        // Whoever asked may have gone.
        drop(reply.send(Arc::clone(lent)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn given_the_world_is_the_same_then_one_copy_serves_all_and_another_world_another() {
        let (worlds, mut lender) = lending(Capture::Ruled);
        let writer = async {
            for round in 0..3 {
                let Wanted::World(reply) = lender.asked().await else { panic!("the world is asked for") };
                if round == 2 {
                    lender.renew();
                }
                lender.lend(&World::default(), reply);
            }
        };
        let readers =
            async { [worlds.now().await, worlds.now().await, worlds.now().await].map(|world| world.expect("lent")) };
        let ((), [first, second, third]) = tokio::join!(writer, readers);
        assert!(Arc::ptr_eq(&first, &second) && !Arc::ptr_eq(&first, &third));
        drop(lender);
        assert!(worlds.now().await.is_none());
    }
}
