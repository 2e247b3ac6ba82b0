//! The pick of a route that needs no bytes: route word, slot, endpoint. No loops, and nothing that could be seen half written.

use core::ptr;

use aya_ebpf::helpers::generated::bpf_get_prandom_u32;
use meshlet_wire::{
    EndpointEntry, MODE_LEAST, MODE_POD, MODE_RANDOM, MODE_REFUSE, MODE_TURN, PodEntry, Route, RouteKey, SUBROUTE, Slot,
};

use crate::maps::{ENDPOINT, L4, OPEN, ROUTE, SLOT, TURN};

/// Where the kernel sends a connect.
pub(crate) enum Picked {
    /// To an endpoint: what its slot says, and the endpoint itself.
    Endpoint(Slot, EndpointEntry),
    /// Nobody is left to take it.
    Nobody,
}

/// Picks for a pod's connect to a service; `None` when that is not for the kernel to decide.
#[inline(always)]
pub(crate) fn pick(pod: &PodEntry, service: u32) -> Option<Picked> {
    // SAFETY: the value is a plain word that the daemon replaces whole.
    let cell = *unsafe { L4.get(RouteKey { scope: pod.scope, service }) }?;
    match chosen(pod, cell)? {
        Chosen::Slot(slot) if slot.cell & SUBROUTE != 0 => match chosen(pod, slot.cell & !SUBROUTE)? {
            Chosen::Slot(endpoint) => picked(endpoint),
            Chosen::Nobody => Some(Picked::Nobody),
        },
        Chosen::Slot(endpoint) => picked(endpoint),
        Chosen::Nobody => Some(Picked::Nobody),
    }
}

#[inline(always)]
fn picked(slot: Slot) -> Option<Picked> {
    Some(Picked::Endpoint(slot, *ENDPOINT.get(slot.cell)?))
}

enum Chosen {
    Slot(Slot),
    Nobody,
}

#[inline(always)]
fn chosen(pod: &PodEntry, cell: u32) -> Option<Chosen> {
    let word = ROUTE.get(cell)?;
    // SAFETY: an aligned word in the array, written by the daemon by one store.
    let route = Route::of(unsafe { ptr::read_volatile(word) });
    if route.mode == MODE_REFUSE {
        return Some(Chosen::Nobody);
    }
    if route.count == 0 {
        return None;
    }
    let slot = match route.mode {
        MODE_RANDOM => slot(&route, random(route.count)),
        MODE_POD if pod.place < route.count => slot(&route, pod.place),
        MODE_TURN => slot(&route, turn(cell, route.count)?),
        MODE_LEAST => less_busy(slot(&route, random(route.count))?, slot(&route, random(route.count))?),
        _ => None,
    };
    slot.map(Chosen::Slot)
}

#[inline(always)]
fn slot(route: &Route, place: u32) -> Option<Slot> {
    let word = SLOT.get(route.base.wrapping_add(place))?;
    // SAFETY: an aligned word in the array, written by the daemon by one store before the route that names it.
    Some(Slot::of(unsafe { ptr::read_volatile(word) }))
}

/// Below `count`, each with the same share.
#[inline(always)]
fn random(count: u32) -> u32 {
    // SAFETY: a helper without arguments.
    let draw = unsafe { bpf_get_prandom_u32() };
    ((u64::from(draw) * u64::from(count)) >> 32) as u32
}

/// Each CPU counts for itself, as each worker of a proxy does.
#[inline(always)]
fn turn(cell: u32, count: u32) -> Option<u32> {
    let counter = TURN.get_ptr_mut(cell)?;
    // SAFETY: this CPU's own word; a program that preempts this one at worst takes the same turn.
    let turn = unsafe {
        *counter = (*counter).wrapping_add(1);
        *counter
    };
    Some((turn % u64::from(count)) as u32)
}

#[inline(always)]
fn less_busy(one: Slot, other: Slot) -> Option<Slot> {
    let (busy, others) = (OPEN.get(one.cell)?, OPEN.get(other.cell)?);
    // SAFETY: aligned words in the array, counted by the programs.
    let (busy, others) = unsafe { (ptr::read_volatile(busy), ptr::read_volatile(others)) };
    Some(if others < busy { other } else { one })
}
