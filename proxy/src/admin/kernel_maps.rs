//! How full the kernel's maps are, as OpenMetrics text.

use std::fmt::Write as _;

use crate::kernel::MapUsage;

/// The series of all maps.
pub(super) fn text(maps: &[MapUsage]) -> String {
    let mut text = String::new();
    for (name, kind, ending, value) in [
        ("meshlet_bpf_map_entries", "gauge", "", (|map| map.entries) as fn(&MapUsage) -> u64),
        ("meshlet_bpf_map_max_entries", "gauge", "", |map| map.max_entries),
        ("meshlet_bpf_map_refused", "counter", "_total", |map| map.refused),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for map in maps {
            let _ = writeln!(text, "{name}{ending}{{map=\"{}\"}} {}", map.map, value(map));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_maps_then_each_series_has_a_line_for_each() {
        let maps = [
            MapUsage { map: "meshlet_pods", entries: 3, max_entries: 4096, refused: 0 },
            MapUsage { map: "meshlet_slots", entries: 8, max_entries: 8, refused: 2 },
        ];
        let expected = "# TYPE meshlet_bpf_map_entries gauge\n\
            meshlet_bpf_map_entries{map=\"meshlet_pods\"} 3\nmeshlet_bpf_map_entries{map=\"meshlet_slots\"} 8\n\
            # TYPE meshlet_bpf_map_max_entries gauge\n\
            meshlet_bpf_map_max_entries{map=\"meshlet_pods\"} 4096\nmeshlet_bpf_map_max_entries{map=\"meshlet_slots\"} 8\n\
            # TYPE meshlet_bpf_map_refused counter\n\
            meshlet_bpf_map_refused_total{map=\"meshlet_pods\"} 0\nmeshlet_bpf_map_refused_total{map=\"meshlet_slots\"} 2\n";
        assert_eq!(text(&maps), expected);
    }
}
