//! What Istio's sidecar does, statement by statement. A test's name starts with the number of the section and the statement
//! that it holds us to, `s3_5_…`, or `q…` where the statement is a quirk of the code.

mod ask;
mod explained;
mod places;
mod s1_2_mirrors;
mod s1_6_destination_rules;
mod s2_7_broken_destinations;
mod s3_10_cors;
mod s3_11_weights;
mod s3_12_delegation;
mod s3_1_evaluation;
mod s3_2_string_matching;
mod s3_3_presence;
mod s3_4_rewrite;
mod s3_5_redirect;
mod s3_6_direct_response;
mod s3_7_header_operations;
mod s3_8_retries_and_timeouts;
mod s3_9_faults;
mod s4_1_selection;
mod s4_2_merging;
mod s4_3_composition;
mod s4_4_defaults;
mod s4_5_consistent_hash;
mod s4_6_outlier_detection;
mod s4_7_overflow;
mod s4_8_locality;
mod shop;
