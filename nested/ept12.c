#include "nested/ept12.h"

#include "vmx/x86.h"

/* What four levels translate: nothing maps an address beyond it. */
#define EPT_BITS 48

static bool memory_type_reserved(u64 entry)
{
	u64 type = (entry & EPT_MT) >> EPT_MT_SHIFT;
	return type == 2 || type == 3 || type == 7;
}

static bool is_leaf(u64 entry, unsigned level)
{
	return level == 0 || ((level == 1 || level == 2) && (entry & EPT_LARGE));
}

/* SDM: "EPT Misconfigurations". */
static bool misconfigured(const struct caps *caps, u64 entry, unsigned level)
{
	u64 reserved = caps->maxphyaddr < 52 ? BITS(51, caps->maxphyaddr) : 0;

	if ((entry & (EPT_R | EPT_W)) == EPT_W)
		return true;
	if ((entry & EPT_RWX) == EPT_X && !(caps->ept_vpid & EPT_CAP_EXECUTE_ONLY))
		return true;
	if (is_leaf(entry, level)) {
		u64 cap = level == 2 ? EPT_CAP_1G : EPT_CAP_2M;
		if (level > 0 && !(caps->ept_vpid & cap))
			return true;
		if (level > 0)
			reserved |= BITS(11 + 9 * level, 12);
		return (entry & reserved) || memory_type_reserved(entry);
	}
	reserved |= level == 3 ? BITS(7, 3) : BITS(6, 3);
	return entry & reserved;
}

static void set_flags(const struct ept12_memory *m, l1pa_t at, u64 entry, u64 flags)
{
	if ((entry & flags) != flags)
		m->write(m->context, at, entry | flags);
}

static const struct ept12_result not_mapped = {.kind = EPT12_VIOLATION};

struct ept12_result ept12_walk(const struct ept12_memory *m, const struct caps *caps, u64 eptp,
			       l2pa_t address, u64 access)
{
	struct ept12_result r = {.kind = EPT12_MAPPED, .rights = EPT_RWX};
	bool flags = eptp & EPTP_AD;
	u64 table = eptp & EPTP_ADDRESS;
	l1pa_t at[4];
	u64 entry[4];

	if (address.v >> EPT_BITS)
		return not_mapped;
	for (unsigned level = 3;; level--) {
		at[level] = (l1pa_t){table + 8 * EPT_INDEX(address.v, level)};
		entry[level] = m->read(m->context, at[level]);
		if (!(entry[level] & EPT_RWX))
			return not_mapped;
		if (misconfigured(caps, entry[level], level)) {
			r.kind = EPT12_MISCONFIGURATION;
			return r;
		}
		r.rights &= entry[level];
		r.level = level;
		if (is_leaf(entry[level], level))
			break;
		table = entry[level] & EPT_ADDRESS;
	}
	if ((r.rights & access) != access) {
		r.kind = EPT12_VIOLATION;
		return r;
	}
	u64 leaf = entry[r.level], offset = address.v & (EPT_SIZE(r.level) - 1);
	r.address.v = (leaf & EPT_ADDRESS & ~(EPT_SIZE(r.level) - 1)) | offset;
	r.attributes = leaf & (EPT_MT | EPT_IPAT);
	r.dirty = !flags || (leaf & EPT_D) || (access & EPT_W);
	for (unsigned level = 3; flags && level > r.level; level--)
		set_flags(m, at[level], entry[level], EPT_A);
	if (flags)
		set_flags(m, at[r.level], leaf, access & EPT_W ? EPT_A | EPT_D : EPT_A);
	return r;
}
