/* hrt.h - the guest ABI (schemas/hvm-guest-abi.h) with its layout pinned; the sources are sections 5 and 6 of the Palacios HVM */
#pragma once

#include "base/macro.h"
#include "hvm-guest-abi.h"

assert_size(struct hvm_header_tag, 56);
assert_offset(struct hvm_header_tag, hrt_flags, 8);
assert_offset(struct hvm_header_tag, max_mem_to_map, 16);
assert_offset(struct hvm_header_tag, gva_offset, 24);
assert_offset(struct hvm_header_tag, gva_entry, 32);
assert_offset(struct hvm_header_tag, comm_page_gpa, 40);
assert_offset(struct hvm_header_tag, hrt_int_vector, 48);

assert_size(struct hvm_info_tag, 88);
assert_offset(struct hvm_info_tag, total_num_apics, 8);
assert_offset(struct hvm_info_tag, first_hrt_apic_id, 12);
assert_offset(struct hvm_info_tag, cpu_freq_khz, 24);
assert_offset(struct hvm_info_tag, hrt_flags, 32);
assert_offset(struct hvm_info_tag, max_mem_mapped, 40);
assert_offset(struct hvm_info_tag, first_hrt_gpa, 48);
assert_offset(struct hvm_info_tag, boot_state_gpa, 56);
assert_offset(struct hvm_info_tag, gva_offset, 64);
assert_offset(struct hvm_info_tag, comm_page_gpa, 72);
assert_offset(struct hvm_info_tag, hrt_int_vector, 80);

assert_size(struct hvm_comm_page, 4096);
assert_offset(struct hvm_comm_page, state, 8 * 8);
assert_offset(struct hvm_comm_page, event, 9 * 8);
assert_offset(struct hvm_comm_page, sequence, 10 * 8);
assert_offset(struct hvm_comm_page, outcome, 11 * 8);

assert_size(struct hvm_sync, 24);
assert_size(struct hvm_signal_frame, 48);
assert_size(struct hvm_event, 80);
assert_offset(struct hvm_event, result, 8);
assert_offset(struct hvm_event, u, 16);
assert_offset(struct hvm_event, u.page_fault.action, 32);

#define HVM_FLAG_MAP_MASK (HVM_FLAG_MAP_4KB | HVM_FLAG_MAP_2MB | HVM_FLAG_MAP_1GB | HVM_FLAG_MAP_512GB)
#define HVM_FLAG_KNOWN    (HVM_FLAG_RELOC | HVM_FLAG_EXE | HVM_FLAG_MAP_MASK)
