//! The world in force, for those who read it at their leisure: the node's loop, its only writer, lends out a copy when one is
//! asked for, and the same one until the world is another.

use std::sync::Arc;

use meshlet_routing::explain::Capture;
use meshlet_routing::model::World;
use tokio::sync::{mpsc, oneshot};

/// Where the world is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Worlds {
    asked: mpsc::Sender<oneshot::Sender<Arc<World>>>,
    /// What the daemon captures.
    pub(crate) capture: Capture,
}

/// The writer's side.
#[derive(Debug)]
pub(crate) struct Lender {
    asked: mpsc::Receiver<oneshot::Sender<Arc<World>>>,
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
        self.asked.send(reply).await.ok()?;
        world.await.ok()
    }
}

impl Lender {
    /// The world is another: what is lent out now is a copy of it.
    pub(crate) fn renew(&mut self) {
        self.lent = None;
    }

    /// The next who asks. It may be dropped while it waits; nobody is lost by that.
    pub(crate) async fn asked(&mut self) -> oneshot::Sender<Arc<World>> {
        match self.asked.recv().await {
            Some(reply) => reply,
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
                let reply = lender.asked().await;
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
